import pytest


def test_a_bucket_is_made_found_listed_and_deleted(s3, raises):
    s3.create_bucket(Bucket="made-and-gone")
    assert s3.head_bucket(Bucket="made-and-gone")["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    listed = s3.list_buckets()
    assert "made-and-gone" in [b["Name"] for b in listed["Buckets"]]
    assert len(listed["Owner"]["ID"]) == 64
    s3.delete_bucket(Bucket="made-and-gone")
    raises(404, "404", s3.head_bucket, Bucket="made-and-gone")
    raises(404, "NoSuchBucket", s3.delete_bucket, Bucket="made-and-gone")
    raises(404, "NoSuchBucket", s3.list_objects_v2, Bucket="made-and-gone")


def test_a_bucket_can_be_made_once(s3, bucket, raises):
    raises(409, "BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=bucket)


def test_a_bucket_with_objects_stays(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    raises(409, "BucketNotEmpty", s3.delete_bucket, Bucket=bucket)


def test_buckets_are_listed_in_pages(daemon, s3, bucket):
    names = sorted(b["Name"] for b in s3.list_buckets()["Buckets"])
    seen, token = [], ""
    while True:
        reply = daemon.raw("GET", "/", query="max-buckets=1" + token)
        seen.append(reply.text("Name"))
        if reply.text("ContinuationToken") is None:
            break
        token = "&continuation-token=" + reply.text("ContinuationToken").replace("+", "%2B").replace("=", "%3D")
    assert seen == names
    assert daemon.raw("GET", "/", query=f"prefix={bucket}").text("Name") == bucket
    assert daemon.raw("GET", "/", query="max-buckets=0").code == "InvalidArgument"


@pytest.mark.parametrize("name", ["ab", "Upper-case", "under_score", "-dash", "dash-", "a..b", "192.168.5.4", "a" * 64,
                                  "xn--abc"])
def test_bad_names_are_refused(daemon, name):
    assert (daemon.raw("PUT", "/" + name).status, daemon.raw("PUT", "/" + name).code) == (400, "InvalidBucketName")


def test_the_location_is_the_region(daemon, s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    document = "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
    reply = daemon.raw("PUT", "/elsewhere", body=document.format("mars-1").encode())
    assert (reply.status, reply.code) == (400, "InvalidLocationConstraint")
    assert daemon.raw("PUT", "/elsewhere", body=b"<CreateBucketConfiguration><Loca").code == "MalformedXML"
    assert daemon.raw("PUT", "/elsewhere", body=b"<Other/>").code == "MalformedXML"
    assert daemon.raw("PUT", "/right-here", body=document.format("us-east-1").encode()).status == 200
    assert daemon.raw("DELETE", "/right-here").status == 204


def test_a_foreign_owner_is_not_expected(s3, bucket, raises):
    raises(403, "AccessDenied", s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="123456789012")


def test_a_bucket_is_made_as_it_was_asked_for_or_not_at_all(daemon, s3, raises):
    def refused(code, headers=None, body=""):
        document = f"<CreateBucketConfiguration>{body}</CreateBucketConfiguration>".encode() if body else b""
        reply = daemon.raw("PUT", "/asked-for", headers=headers, body=document)
        assert reply.code == code, reply

    refused("InvalidBucketAclWithObjectOwnership", {"x-amz-acl": "public-read"})
    refused("InvalidArgument", {"x-amz-acl": "everybody"})
    refused("InvalidArgument", {"x-amz-object-ownership": "Everybody"})
    refused("NotImplemented", {"x-amz-object-ownership": "ObjectWriter"})
    refused("NotImplemented", {"x-amz-bucket-object-lock-enabled": "true"})
    refused("NotImplemented", body="<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>")
    refused("NotImplemented", body="<Bucket><Type>Directory</Type></Bucket>")
    refused("InvalidLocationConstraint", body="<LocationConstraint>eu-north-7</LocationConstraint>")
    raises(404, "404", s3.head_bucket, Bucket="asked-for")


def test_buckets_are_listed_by_region(daemon, bucket):
    assert f"<Name>{bucket}</Name>" in daemon.raw("GET", "/", query="bucket-region=us-east-1").body.decode()
    assert "<Name>" not in daemon.raw("GET", "/", query="bucket-region=eu-north-7").body.decode()
    for bad in "0", "10001", "-1", "x":
        assert daemon.raw("GET", "/", query=f"max-buckets={bad}").code == "InvalidArgument"


# sub-resources of buckets: what an unconfigured bucket of AWS answers
CONFIGURATION = [
    ("get_bucket_policy", "NoSuchBucketPolicy"),
    ("get_bucket_tagging", "NoSuchTagSet"),
    ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_cors", "NoSuchCORSConfiguration"),
    ("get_bucket_website", "NoSuchWebsiteConfiguration"),
    ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("get_bucket_policy_status", "NoSuchBucketPolicy"),
]


@pytest.mark.parametrize("call,code", CONFIGURATION)
def test_a_configuration_that_is_not_there_is_said_so(s3, bucket, raises, call, code):
    raises(404, code, getattr(s3, call), Bucket=bucket)
    raises(404, "NoSuchBucket", getattr(s3, call), Bucket="no-such-bucket")


def test_a_configuration_that_every_bucket_has_is_told(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "TopicConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [g["Permission"] for g in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]


def test_what_can_not_be_configured_is_refused_and_what_is_not_there_can_be_removed(s3, bucket, raises):
    raises(501, "NotImplemented", s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    raises(501, "NotImplemented", s3.put_bucket_policy, Bucket=bucket, Policy="{}")
    raises(400, "AccessControlListNotSupported", s3.put_bucket_acl, Bucket=bucket, ACL="public-read")
    raises(409, "InvalidBucketState", s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)


def test_an_unknown_sub_resource_never_falls_through(daemon, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    for method, path, query, status in [
            ("GET", f"/{bucket}", "whatever", 501), ("PUT", f"/{bucket}/k", "whatever", 501),
            ("DELETE", f"/{bucket}/k", "whatever", 501), ("DELETE", f"/{bucket}", "whatever=1", 501),
            ("PUT", f"/{bucket}/k", "partNumber=1", 405), ("DELETE", f"/{bucket}/k", "acl", 405),
            ("GET", f"/{bucket}/k", "acl&tagging", 400), ("POST", f"/{bucket}/k", "", 405),
            ("PATCH", f"/{bucket}/k", "", 405)]:
        reply = daemon.raw(method, path, query=query)
        assert reply.status == status, (method, path, query)
        assert status != 405 or "GET" in reply.headers["allow"], (method, path, query)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_virtual_hosts_name_buckets():
    from cairn import Daemon

    with Daemon(drives=1, args=["--domain", "s3.example.org"]) as daemon:
        host = f"virtual.s3.example.org:{daemon.port}"
        assert daemon.raw("PUT", "/", host=host).status == 200
        assert daemon.raw("PUT", "/a/b", host=host, body=b"hello").status == 200
        assert daemon.raw("GET", "/virtual/a/b").body == b"hello"
        assert daemon.raw("GET", "/a/b", host=host).body == b"hello"
        assert daemon.raw("GET", "/", host=host, query="list-type=2").text("Key") == "a/b"
        assert daemon.raw("GET", "/", host=f"s3.example.org:{daemon.port}").text("Name") == "virtual"
