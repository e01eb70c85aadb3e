/*
 * Requests as botocore 1.29 signed them, generated once: S3SigV4Auth and S3SigV4QueryAuth with the clock at
 * 2024-02-29 23:59:58 UTC, access key "AKID/WITH+SLASH", secret "secret/+=~", region eu-central-1.
 */
#ifndef CAIRN_TESTS_WIRE_SIGV4_VECTORS_H
#define CAIRN_TESTS_WIRE_SIGV4_VECTORS_H

/* clang-format off */
static const struct botocore_vector {
    const char *name;
    const char *head;
} botocore_vectors[] = {
    {"get_space_and_plus",
     "GET /bucket/a%20b%2Bc/%C3%BC~.txt HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=e72d75644e87cf67fa0ab7c153e5b411d4c82ff301396e1469d1e06b373c3fa3\r\n"
     "\r\n"},
    {"list_sorted",
     "GET /bucket?list-type=2&prefix=a%2Fb%20c%2Bd&delimiter=%2F&encoding-type=url&start-after=%C3%A4 HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=64bf023ad9e730207ab605e30074579d7036e39018f415c28011c1ae0eda7e59\r\n"
     "\r\n"},
    {"subresource",
     "POST /bucket/k%3D1%262?uploads= HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "Content-Type: text/plain;  charset=utf-8\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=2ddb182402042ec1ba435ede833e03836edfb0e208d1e7b1a374b246843d2909\r\n"
     "\r\n"},
    {"put_body_meta",
     "PUT /bucket/dir//double/../x HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "x-amz-meta-zz:   two   blanks \r\n"
     "X-Amz-Meta-A: 1\r\n"
     "Content-MD5: XrY7u+Ae7tCTyyK8j1rNww==\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-zz, Signature=16ee1c5f9e3daff0234c1fc3e09442a9ffffa1c450a5d0e8dc02e1713fb42998\r\n"
     "\r\n"},
    {"query_repeats_order",
     "GET /bucket/key?partNumber=2&uploadId=x%2Fy%2Bz%3D%3D&a-b=1&a.b=2&a_b=3&A=4 HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=4ac65f2a844ec7be0758b7a77e6ef525a1171d4dc6d1a33a0f2068bc4bd72713\r\n"
     "\r\n"},
    {"delete_version",
     "DELETE /bucket/%2A%27%28%29%21%40%24%2C%3B%3A?versionId=null HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "x-amz-bypass-governance-retention: true\r\n"
     "X-Amz-Date: 20240229T235958Z\r\n"
     "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
     "Authorization: AWS4-HMAC-SHA256 Credential=AKID/WITH+SLASH/20240229/eu-central-1/s3/aws4_request, SignedHeaders=host;x-amz-bypass-governance-retention;x-amz-content-sha256;x-amz-date, Signature=741d89d0d7200c78e14b50a2d9b35ae77029fef118d6bff65dad59c43efdb83e\r\n"
     "\r\n"},
    {"presigned_get_space_and_plus",
     "GET /bucket/a%20b%2Bc/%C3%BC~.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2FWITH%2BSLASH%2F20240229%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20240229T235958Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=token%2B%2F%3D&X-Amz-Signature=d8aa9902294ca3d2df783265749b69740f7cb596d99bdc25e20493efa5d7d309 HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "\r\n"},
    {"presigned_list_sorted",
     "GET /bucket?list-type=2&prefix=a%2Fb%20c%2Bd&delimiter=%2F&encoding-type=url&start-after=%C3%A4&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2FWITH%2BSLASH%2F20240229%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20240229T235958Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=token%2B%2F%3D&X-Amz-Signature=f074b440ce0e8b6594b0d4a98ab879b1955e1c4d7e02c84b84f3d486339fdc1b HTTP/1.1\r\n"
     "Host: 127.0.0.1:9000\r\n"
     "\r\n"},
};
/* clang-format on */

#endif
