import itertools
import urllib.parse

import pytest

KEYS = ["a", "a/", "a/b", "a//b", "a0", "b", "b/c/d", "b/c/e", "b/d", "b-", "b.", "c/", "d/e/f/g", "z", "ä", "日本/x", "\U0001f600",
        "\uffff"]


@pytest.fixture(scope="module")
def filled(daemon):
    s3 = daemon.s3
    s3.create_bucket(Bucket="listing")
    for key in KEYS:
        s3.put_object(Bucket="listing", Key=key, Body=key.encode())
    yield "listing"
    for key in KEYS:
        s3.delete_object(Bucket="listing", Key=key)
    s3.delete_bucket(Bucket="listing")


def expected(keys, prefix="", delimiter="", after=""):
    """S3's rules, from its documentation: (kind, name) in byte order."""
    out = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = ("key", key) if at < 0 else ("prefix", key[:at + len(delimiter)])
        if entry[1].encode() > after.encode() and not (entry[0] == "prefix" and after.startswith(entry[1])) and entry not in out:
            out.append(entry)
    return out


def entries(page):
    out = [("key", item["Key"]) for item in page.get("Contents", [])]
    out += [("prefix", item["Prefix"]) for item in page.get("CommonPrefixes", [])]
    return sorted(out, key=lambda entry: entry[1].encode())


PREFIXES = ["", "a", "a/", "b", "b/", "b/c", "b/c/", "nothing", "日本", "z"]
DELIMITERS = ["", "/", "b", "/c/", "x", "//"]


@pytest.mark.parametrize("prefix,delimiter", itertools.product(PREFIXES, DELIMITERS))
def test_every_page_size_gives_the_same_listing(s3, filled, prefix, delimiter):
    want = expected(KEYS, prefix, delimiter)
    for size in 1, 2, 3, 7, 1000:
        got, token = [], {}
        while True:
            page = s3.list_objects_v2(Bucket=filled, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **token)
            assert page["KeyCount"] == len(entries(page)) <= size
            got += entries(page)
            if not page["IsTruncated"]:
                break
            assert page["KeyCount"] == size
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert got == want, size
        got, marker = [], ""
        while True:
            page = s3.list_objects(Bucket=filled, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, Marker=marker)
            got += entries(page)
            if not page["IsTruncated"]:
                break
            marker = page["NextMarker"] if delimiter else page["Contents"][-1]["Key"]
        assert got == want, size


@pytest.mark.parametrize("after", ["", "a", "a/", "a/a", "a/zzz", "b/c", "b/c/d", "b/c/zz", "zz", "\U0001f600", "\uffff"])
@pytest.mark.parametrize("prefix,delimiter", [("", ""), ("", "/"), ("b/", "/"), ("b", "/"), ("a", "")])
def test_listing_starts_behind_any_name(s3, filled, after, prefix, delimiter):
    page = s3.list_objects_v2(Bucket=filled, StartAfter=after, Prefix=prefix, Delimiter=delimiter)
    assert entries(page) == expected(KEYS, prefix, delimiter, after)
    page = s3.list_objects(Bucket=filled, Marker=after, Prefix=prefix, Delimiter=delimiter)
    assert entries(page) == expected(KEYS, prefix, delimiter, after)


def test_versions_are_the_objects(s3, filled):
    got, marker = [], {}
    while True:
        page = s3.list_object_versions(Bucket=filled, MaxKeys=4, **marker)
        got += [(v["Key"], v["VersionId"], v["IsLatest"]) for v in page["Versions"]]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert got == [(key, "null", True) for key in sorted(KEYS, key=str.encode)]


def test_an_entry_tells_what_a_head_tells(s3, filled):
    for item in s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"]:
        head = s3.head_object(Bucket=filled, Key=item["Key"])
        assert (item["ETag"], item["Size"], item["StorageClass"]) == (head["ETag"], head["ContentLength"], "STANDARD")
        assert item["LastModified"].replace(microsecond=0) == head["LastModified"]
        assert len(item["Owner"]["ID"]) == 64
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert "Owner" in s3.list_objects(Bucket=filled)["Contents"][0]


def test_no_keys_asked_for(s3, filled):
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], "Contents" in page) == (0, False, False)


@pytest.mark.parametrize("query", ["list-type=2&max-keys=-1", "list-type=2&max-keys=x", "max-keys=99999999999", "list-type=3", "list-type=2&encoding-type=base64",
                                   "list-type=2&continuation-token=no", "versions&version-id-marker=x"])
def test_bad_parameters_are_refused(daemon, filled, query):
    reply = daemon.raw("GET", f"/{filled}", query=query)
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_names_are_encoded_when_asked(daemon, s3, bucket):
    for key in "a b/c+d", "e&<f>%", "\x01", "ä":
        s3.put_object(Bucket=bucket, Key=key)
    reply = daemon.raw("GET", f"/{bucket}", query="list-type=2&encoding-type=url&delimiter=%2F&start-after=%01")
    assert reply.text("Prefix") == ""
    assert b"<Prefix>a%20b/</Prefix>" in reply.body and b"<Key>e%26%3Cf%3E%25</Key>" in reply.body
    assert b"<Key>%C3%A4</Key>" in reply.body and b"<StartAfter>%01</StartAfter>" in reply.body
    assert b"<Delimiter>/</Delimiter>" in reply.body and b"<EncodingType>url</EncodingType>" in reply.body
    s3.delete_object(Bucket=bucket, Key="\x01")


def test_more_than_a_page_of_keys(s3, bucket):
    for i in range(1005):
        s3.put_object(Bucket=bucket, Key=f"d{i % 3}/{i:05}")
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["d0/", "d1/", "d2/"]
    keys = [item["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for item in page["Contents"]]
    assert keys == sorted(f"d{i % 3}/{i:05}" for i in range(1005))
