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

/* Captured on the wire: s3cmd 2.3, rclone 1.60, the AWS CLI 1.45, a PUT presigned by boto3 1.43, curl 7.88. Key AKIDTEST, secret
 * "secrettest", between 06:19 and 06:21 on 2026-11-22. */
/* clang-format off */
static const char *const client_requests[] = {
    "PUT /bkt/s3cmd%20a%2Bb%20%C3%BC HTTP/1.1\r\n"
    "Host: 127.0.0.1:19877\r\n"
    "Accept-Encoding: identity\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261122/us-east-1/s3/aws4_request,SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-s3cmd-attrs;x-amz-storage-class,Signature=f7f1ccbac699ef6f1f5d29d76a140ebb5560862b28538c1d66dc107bcbaa1366\r\n"
    "content-length: 5\r\n"
    "content-type: text/plain\r\n"
    "x-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n"
    "x-amz-date: 20261122T061906Z\r\n"
    "x-amz-meta-s3cmd-attrs: atime:1795328342/ctime:1795328342/gid:0/gname:root/md5:5d41402abc4b2a76b9719d911017c592/mode:33188/mtime:1795328342/uid:0/uname:root\r\n"
    "x-amz-storage-class: STANDARD\r\n"
    "\r\n",
    "HEAD /bkt/rclone/a%20b%2B%C3%BC%3D%26 HTTP/1.1\r\n"
    "Host: 127.0.0.1:19877\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261122/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=d2ff00431dc6ef89de4f542a14e65de4e176b1cfc633b40e6b4f6702ebd98824\r\n"
    "X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
    "X-Amz-Date: 20261122T061948Z\r\n"
    "\r\n",
    "GET /bkt?delimiter=%2F&max-keys=1000&prefix= HTTP/1.1\r\n"
    "Host: 127.0.0.1:19877\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261122/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=4cb4bffc05af1bfd2f3df699ef530c4c2a17f37317c4fe866b854639132ceea8\r\n"
    "X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
    "X-Amz-Date: 20261122T061948Z\r\n"
    "Accept-Encoding: gzip\r\n"
    "\r\n",
    "PUT /bkt/a%20b HTTP/1.1\r\n"
    "Host: 127.0.0.1:19878\r\n"
    "Accept-Encoding: identity\r\n"
    "x-amz-sdk-checksum-algorithm: CRC32\r\n"
    "Expect: 100-continue\r\n"
    "Transfer-Encoding: chunked\r\n"
    "Content-Encoding: aws-chunked\r\n"
    "X-Amz-Trailer: x-amz-checksum-crc32\r\n"
    "X-Amz-Decoded-Content-Length: 5\r\n"
    "X-Amz-Date: 20261122T062047Z\r\n"
    "X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261122/us-east-1/s3/aws4_request, SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=b953cb2e87fcfbe15e8d0a9ce405a9efe0e9281d11c0ff007709273d1d61d7ba\r\n"
    "amz-sdk-invocation-id: 2dd806a5-4810-41a8-81e2-3dd2d2f8d873\r\n"
    "amz-sdk-request: attempt=1\r\n"
    "\r\n",
    "PUT /bkt/put?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDTEST%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T062052Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-meta-k&X-Amz-Signature=63a02d99421b0240eb88daec83175f20a8edaa0c0a9fda4a4a5531894967ade0 HTTP/1.1\r\n"
    "Host: 127.0.0.1:19878\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept: */*\r\n"
    "Connection: keep-alive\r\n"
    "Content-Type: a/b\r\n"
    "x-amz-meta-k: v\r\n"
    "Content-Length: 5\r\n"
    "\r\n",
    "PUT /bkt/curl-put HTTP/1.1\r\n"
    "Host: 127.0.0.1:19877\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20261122/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=6f958dc602692be26d6cf7b147ef5215f3669b9c50af7774eb9fa95953268b6a\r\n"
    "X-Amz-Date: 20261122T061906Z\r\n"
    "Accept: */*\r\n"
    "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
    "Content-Length: 5\r\n"
    "Expect: 100-continue\r\n"
    "\r\n",
};
/* clang-format on */

#endif
