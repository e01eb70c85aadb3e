import pytest

from test_objects import body_of

SIZES = [0, 10, 8160, 8161, 3 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_is_the_object(s3, bucket, size):
    body = body_of(size)
    put = s3.put_object(Bucket=bucket, Key="from here", Body=body, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1",
                        StorageClass="STANDARD_IA", CacheControl="no-cache")
    copy = s3.copy_object(Bucket=bucket, Key="to/there", CopySource={"Bucket": bucket, "Key": "from here"})
    assert copy["CopyObjectResult"]["ETag"] == put["ETag"]
    got = s3.get_object(Bucket=bucket, Key="to/there")
    assert got["Body"].read() == body
    assert (got["ETag"], got["ContentType"], got["CacheControl"], got["Metadata"]) == (put["ETag"], "text/x", "no-cache", {"a": "b"})
    assert s3.get_object_tagging(Bucket=bucket, Key="to/there")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert "StorageClass" not in got, "a copy has the class that it asks for"
    s3.delete_object(Bucket=bucket, Key="from here")
    assert s3.get_object(Bucket=bucket, Key="to/there")["Body"].read() == body


def test_metadata_and_tags_can_be_replaced(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", MetadataDirective="REPLACE", Metadata={"c": "d"},
                   TaggingDirective="REPLACE", Tagging="u=2")
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["ContentType"], got["Metadata"]) == ("binary/octet-stream", {"c": "d"})
    assert s3.get_object_tagging(Bucket=bucket, Key="b")["TagSet"] == [{"Key": "u", "Value": "2"}]


def test_a_copy_onto_itself_must_change_something(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="a", Body=body_of(20000), Metadata={"a": "b"})
    raises(400, "InvalidRequest", s3.copy_object, Bucket=bucket, Key="a", CopySource=f"{bucket}/a")
    s3.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a", MetadataDirective="REPLACE", Metadata={"c": "d"})
    got = s3.get_object(Bucket=bucket, Key="a")
    assert (got["Body"].read(), got["Metadata"]) == (body_of(20000), {"c": "d"})
    s3.copy_object(Bucket=bucket, Key="a", CopySource=f"{bucket}/a", StorageClass="STANDARD_IA")
    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] == {"c": "d"}


def test_conditions_of_the_source(s3, bucket, raises):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["ETag"]
    copy = dict(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    s3.copy_object(CopySourceIfMatch=etag, **copy)
    s3.copy_object(CopySourceIfNoneMatch='"no"', **copy)
    for bad in ({"CopySourceIfMatch": '"no"'}, {"CopySourceIfNoneMatch": etag},
                {"CopySourceIfUnmodifiedSince": "Mon, 01 Jan 2001 00:00:00 GMT"}):
        raises(412, "PreconditionFailed", s3.copy_object, **copy, **bad)


def test_conditions_of_the_target(daemon, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    headers = {"x-amz-copy-source": f"{bucket}/a", "if-none-match": "*"}
    assert daemon.raw("PUT", f"/{bucket}/b", headers=headers).status == 200
    assert daemon.raw("PUT", f"/{bucket}/b", headers=headers).code == "PreconditionFailed"


def test_bad_sources(daemon, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    for source, code in [("", "InvalidArgument"), ("x", "InvalidArgument"), (f"{bucket}/", "InvalidArgument"),
                         (f"{bucket}/no", "NoSuchKey"), ("no-such-bucket/a", "NoSuchBucket"), ("%zz/a", "InvalidArgument"), ("No_Bucket/a", "InvalidArgument"), ("10.0.0.1/a", "InvalidArgument"),
                         (f"{bucket}/a?versionId=1", "InvalidArgument")]:
        assert daemon.raw("PUT", f"/{bucket}/b", headers={"x-amz-copy-source": source}).code == code, source
    for source in f"/{bucket}/a", f"{bucket}/a?versionId=null", f"{bucket}/%61":
        assert daemon.raw("PUT", f"/{bucket}/b", headers={"x-amz-copy-source": source}).status == 200, source
    for header, value in ("x-amz-metadata-directive", "MOVE"), ("x-amz-tagging-directive", "X"):
        reply = daemon.raw("PUT", f"/{bucket}/b", headers={"x-amz-copy-source": f"{bucket}/a", header: value})
        assert reply.code == "InvalidArgument"
    reply = daemon.raw("PUT", "/no-such-bucket/b", headers={"x-amz-copy-source": f"{bucket}/a"})
    assert reply.code == "NoSuchBucket"


def test_a_copy_can_ask_for_another_checksum(s3, bucket):
    body = body_of(1 << 20)
    s3.put_object(Bucket=bucket, Key="a", Body=body)
    copy = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket=bucket, Key="c", Body=body, ChecksumAlgorithm="SHA256")
    want = s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert copy["CopyObjectResult"]["ChecksumSHA256"] == want
    assert s3.head_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")["ChecksumSHA256"] == want
