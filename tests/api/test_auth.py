"""Who signs, and how: what passes, and that nothing else does. Streamed bodies are in test_streams.py."""
import hashlib
from datetime import datetime, timedelta, timezone

import pytest

from raw import ALGORITHM, Connection, head, hmac_hex, presign, signing_key, stamp, talk
from test_objects import body_of

SIZES = [0, 1, 8192, 65536, 200_001]


def expect(reply, status, code):
    assert (reply.status, reply.code) == (status, code), reply
    return reply


def absent(daemon, path):
    assert daemon.raw("GET", path).status == 404


def test_a_repeated_parameter_may_be_signed_in_any_order(daemon, bucket):
    """AWS orders repeated parameters by value, MinIO's libraries leave them as they are."""
    path, query = f"/{bucket}", "events=s3%3Ab&events=s3%3Aa"
    for canonical in query, "&".join(sorted(query.split("&"))):
        headers = {"host": f"127.0.0.1:{daemon.port}"}
        daemon.sign("GET", path, query, headers, "UNSIGNED-PAYLOAD")
        date, names = headers["x-amz-date"], "host;x-amz-content-sha256;x-amz-date"
        scope = f"{date[:8]}/{daemon.region}/s3/aws4_request"
        text = "\n".join(["GET", path, canonical, *(f"{n}:{headers[n]}" for n in names.split(";")), "", names, "UNSIGNED-PAYLOAD"])
        signature = hmac_hex(signing_key(daemon.password, scope), ALGORITHM, date, scope, hashlib.sha256(text.encode()).hexdigest())
        headers["authorization"] = f"{ALGORITHM} Credential={daemon.user}/{scope}, SignedHeaders={names}, Signature={signature}"
        assert daemon.raw("GET", path, query=query, headers=headers, sign=False).status == 200, canonical
        swapped = "&".join(reversed(query.split("&"))) + "&prefix=x"
        assert daemon.raw("GET", path, query=swapped, headers=headers, sign=False).status == 403


# ---- bodies in one piece ----

@pytest.mark.parametrize("size", SIZES)
def test_a_signed_body(daemon, bucket, size):
    body = body_of(size)
    assert daemon.raw("PUT", f"/{bucket}/k", body=body).status == 200
    assert daemon.raw("GET", f"/{bucket}/k").body == body
    expect(daemon.raw("PUT", f"/{bucket}/k", body=body, payload=hashlib.sha256(body + b"!").hexdigest()), 400, "XAmzContentSHA256Mismatch")
    assert daemon.raw("GET", f"/{bucket}/k").body == body, "what was there stands"


@pytest.mark.parametrize("size", SIZES)
def test_an_unsigned_body(daemon, bucket, size):
    assert daemon.raw("PUT", f"/{bucket}/k", body=body_of(size), payload="UNSIGNED-PAYLOAD").status == 200
    assert daemon.raw("GET", f"/{bucket}/k", payload="UNSIGNED-PAYLOAD").body == body_of(size)


@pytest.mark.parametrize("payload", ["sha256", "0" * 63, "g" * 64, "STREAMING", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "unsigned-payload"])
def test_a_payload_of_no_known_kind(daemon, bucket, payload):
    expect(daemon.raw("PUT", f"/{bucket}/k", body=b"x", payload=payload), 400, "InvalidArgument")
    absent(daemon, f"/{bucket}/k")


def test_a_payload_that_is_not_stated(daemon, bucket):
    headers = {"host": f"127.0.0.1:{daemon.port}", "content-length": "1"}
    daemon.sign("PUT", f"/{bucket}/k", "", headers, "UNSIGNED-PAYLOAD")
    del headers["x-amz-content-sha256"]
    reply = expect(daemon.raw("PUT", f"/{bucket}/k", body=b"x", headers=headers, sign=False), 400, "InvalidRequest")
    assert "x-amz-content-sha256" in reply.text("Message")


# ---- presigned URLs ----

def ask(daemon, method, url, body=b"", headers=None):
    """As a browser does, which knows of no signature."""
    return daemon.raw(method, url, body=body, headers=headers, sign=False)


def test_a_presigned_url_for_every_method(daemon, bucket):
    path = f"/{bucket}/a b/ü".replace(" ", "%20").replace("ü", "%C3%BC")
    body = body_of(50_000)
    assert ask(daemon, "PUT", presign(daemon, "PUT", path), body).status == 200
    assert ask(daemon, "GET", presign(daemon, "GET", path)).body == body
    assert ask(daemon, "HEAD", presign(daemon, "HEAD", path)).headers["content-length"] == "50000"
    assert ask(daemon, "DELETE", presign(daemon, "DELETE", path)).status == 204
    absent(daemon, path)


def test_a_presigned_url_with_headers_parameters_and_overrides(daemon, bucket):
    path = f"/{bucket}/k"
    headers = {"x-amz-meta-colour": "green", "content-type": "text/x"}
    url = presign(daemon, "PUT", path, headers=headers)
    expect(ask(daemon, "PUT", url, b"x"), 403, "SignatureDoesNotMatch")
    assert ask(daemon, "PUT", url, b"x", headers).status == 200
    late = expect(ask(daemon, "PUT", url, b"x", {**headers, "x-amz-meta-late": "1"}), 403, "AccessDenied")
    assert late.text("HeadersNotSigned") == "x-amz-meta-late"
    got = ask(daemon, "GET", presign(daemon, "GET", path, parameters={"response-content-type": "text/y z"}))
    assert (got.headers["content-type"], got.headers["x-amz-meta-colour"]) == ("text/y z", "green")


def test_a_presigned_url_may_sign_its_body(daemon, bucket):
    url = presign(daemon, "PUT", f"/{bucket}/k", parameters={"X-Amz-Content-Sha256": hashlib.sha256(b"x").hexdigest()})
    expect(ask(daemon, "PUT", url, b"y"), 400, "XAmzContentSHA256Mismatch")
    assert ask(daemon, "PUT", url, b"x").status == 200


def test_presigned_urls_of_boto3(daemon, bucket):
    s3 = daemon.client(signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a/b c", "Metadata": {"m": "1"}}, ExpiresIn=60)
    assert ask(daemon, "PUT", url.removeprefix(daemon.endpoint), b"body", {"x-amz-meta-m": "1"}).status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b c"}, ExpiresIn=604800)
    assert ask(daemon, "GET", url.removeprefix(daemon.endpoint)).body == b"body"
    old = daemon.client(signature_version="s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b c"})
    expect(ask(daemon, "GET", old.removeprefix(daemon.endpoint)), 400, "InvalidRequest")


@pytest.mark.parametrize("change,status,code,message", [
    ({"expires": 60, "age": 61}, 403, "AccessDenied", "expired"),
    ({"expires": 604800, "age": 604810}, 403, "AccessDenied", "expired"),
    ({"expires": 60, "age": -16 * 60}, 403, "AccessDenied", "not yet valid"),
    ({"expires": 604801}, 400, "AuthorizationQueryParametersError", "604800"),
    ({"expires": -1}, 400, "AuthorizationQueryParametersError", "X-Amz-Expires"),
    ({"expires": 0}, 400, "AuthorizationQueryParametersError", "X-Amz-Expires"),
    ({"expires": "x"}, 400, "AuthorizationQueryParametersError", "X-Amz-Expires"),
    ({"expires": 1 << 64}, 400, "AuthorizationQueryParametersError", "X-Amz-Expires"),
    ({"change": {"X-Amz-Expires": None}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Date": None}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Date": "yesterday"}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Algorithm": "AWS4-HMAC-MD5"}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Algorithm": None}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Credential": "nobody"}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-Credential": None}}, 400, "AuthorizationQueryParametersError", ""),
    ({"change": {"X-Amz-SignedHeaders": "date"}}, 403, "AccessDenied", ""),
    ({"region": "eu-west-3"}, 400, "AuthorizationQueryParametersError", "us-east-1"),
    ({"password": "another secret"}, 403, "SignatureDoesNotMatch", ""),
])
def test_presigned_urls_that_are_no_good(daemon, bucket, change, status, code, message):
    for method in "GET", "PUT":
        reply = daemon.raw(method, presign(daemon, method, f"/{bucket}/k", **change), body=b"x" if method == "PUT" else b"", sign=False)
        expect(reply, status, code)
        assert message in reply.text("Message"), reply
    absent(daemon, f"/{bucket}/k")


def test_the_last_seconds_of_a_presigned_url(daemon, bucket):
    assert daemon.raw("PUT", presign(daemon, "PUT", f"/{bucket}/k", expires=604800, age=604800 - 60), body=b"x", sign=False).status == 200
    assert daemon.raw("GET", presign(daemon, "GET", f"/{bucket}/k", expires=60, age=-14 * 60), sign=False).status == 200


def test_a_presigned_url_is_good_for_what_it_says_alone(daemon, bucket):
    daemon.raw("PUT", f"/{bucket}/k", body=b"x")
    url = presign(daemon, "GET", f"/{bucket}/k")
    assert daemon.raw("GET", url, sign=False).body == b"x"
    for method, path in (("DELETE", url), ("PUT", url), ("HEAD", url), ("GET", url.replace("/k?", "/l?")), ("GET", url.replace("/k?", "/k?uploads&")),
                         ("GET", url + "&response-content-type=text/html"), ("GET", url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")),
                         ("GET", url + "&X-Amz-Expires=604800"), ("GET", url[:-1] + ("0" if url[-1] != "0" else "1"))):
        reply = daemon.raw(method, path, sign=False, length=False)
        assert reply.status in (400, 403), (method, path, reply)
    assert daemon.raw("GET", f"/{bucket}/k").body == b"x"


def test_two_signatures_at_once(daemon, bucket):
    path, _, query = presign(daemon, "GET", f"/{bucket}/k").partition("?")
    expect(daemon.raw("GET", path, query=query), 400, "InvalidArgument")


# ---- by header: who, where, when ----

def signed(daemon, method, path, spoil):
    """Headers of a signed request, and what spoil makes of them; None takes one out."""
    headers = {"host": f"127.0.0.1:{daemon.port}"}
    daemon.sign(method, path, "", headers, "UNSIGNED-PAYLOAD")
    return {k: v for k, v in {**headers, **spoil(headers)}.items() if v is not None}


def put_for(old, new):
    """Replaces a part of the Authorization header."""
    return lambda headers: {"authorization": headers["authorization"].replace(old, new)}


WRONG = {
    "secret": (lambda h: {"authorization": h["authorization"][:-4] + "0000"}, 403, "SignatureDoesNotMatch"),
    "access key": (put_for("cairn-tester", "stranger"), 403, "InvalidAccessKeyId"),
    "region": (put_for("us-east-1", "eu-west-3"), 400, "AuthorizationHeaderMalformed"),
    "service": (put_for("/s3/", "/ec2/"), 400, "AuthorizationHeaderMalformed"),
    "terminator": (put_for("aws4_request", "aws5_request"), 400, "AuthorizationHeaderMalformed"),
    "date of the scope": (lambda h: {"authorization": h["authorization"].replace(h["x-amz-date"][:8], "20200101")}, 400, "AuthorizationHeaderMalformed"),
    "no signature": (lambda h: {"authorization": h["authorization"].rpartition(",")[0]}, 400, "AuthorizationHeaderMalformed"),
    "no credential": (put_for("Credential=", "Nothing="), 400, "AuthorizationHeaderMalformed"),
    "no signed headers": (put_for("SignedHeaders=", "Headers="), 400, "AuthorizationHeaderMalformed"),
    "host not signed": (put_for("host;", ""), 403, "AccessDenied"),
    "date not signed": (put_for(";x-amz-date", ""), 403, "AccessDenied"),
    "a header signed that is not there": (put_for("host;", "host;range;"), 403, "SignatureDoesNotMatch"),
    "no date": (lambda h: {"x-amz-date": None}, 403, "AccessDenied"),
    "a date that is none": (lambda h: {"x-amz-date": "now"}, 403, "AccessDenied"),
    "an unsigned header": (lambda h: {"x-amz-meta-late": "1"}, 403, "AccessDenied"),
    "an unsigned copy": (lambda h: {"x-amz-copy-source": "/b/k"}, 403, "AccessDenied"),
    "a changed header": (lambda h: {"x-amz-content-sha256": "0" * 64}, 403, "SignatureDoesNotMatch"),
    "a session token": (lambda h: {"x-amz-security-token": "token"}, 400, "InvalidToken"),
    "Signature Version 2": (lambda h: {"authorization": "AWS cairn-tester:c2lnbmF0dXJlc2lnbmF0dXJl"}, 400, "InvalidRequest"),
    "ECDSA": (put_for("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 400, "InvalidRequest"),
    "Basic": (lambda h: {"authorization": "Basic dXNlcjpwYXNzd29yZA=="}, 400, "InvalidArgument"),
    "Bearer": (lambda h: {"authorization": "Bearer token"}, 400, "InvalidArgument"),
    "empty": (lambda h: {"authorization": ""}, 400, "InvalidArgument"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_authorization(daemon, bucket, what):
    spoil, status, code = WRONG[what]
    for method, body in ("GET", b""), ("PUT", b"x"), ("DELETE", b""):
        reply = daemon.raw(method, f"/{bucket}/k", body=body, headers=signed(daemon, method, f"/{bucket}/k", spoil), sign=False)
        expect(reply, status, code)
        assert daemon.password not in str(reply.body)
    absent(daemon, f"/{bucket}/k")


def test_the_same_with_another_method_path_or_query(daemon, bucket):
    daemon.raw("PUT", f"/{bucket}/k", body=b"x")
    headers = signed(daemon, "GET", f"/{bucket}/k", lambda h: {})
    assert daemon.raw("GET", f"/{bucket}/k", headers=headers, sign=False).status == 200
    for method, path, query in ("DELETE", "k", ""), ("GET", "l", ""), ("GET", "k", "acl"), ("GET", "K", ""), ("GET", "k/", ""):
        reply = daemon.raw(method, f"/{bucket}/{path}", query=query, headers=headers, sign=False)
        expect(reply, 403, "SignatureDoesNotMatch")
    assert daemon.raw("GET", f"/{bucket}/k").body == b"x"


@pytest.mark.parametrize("minutes,status", [(-16, 403), (-14, 200), (14, 200), (16, 403), (-60 * 24, 403), (60 * 24, 403)])
def test_clocks_may_differ_by_a_quarter_of_an_hour(daemon, bucket, minutes, status):
    reply = daemon.raw("GET", f"/{bucket}", headers={"x-amz-date": stamp(minutes * 60)})
    assert reply.status == status
    if status == 403:
        assert reply.code == "RequestTimeTooSkewed" and reply.text("MaxAllowedSkewMilliseconds") == "900000"


def test_a_refusal_says_what_was_expected(daemon, bucket):
    reply = daemon.raw("GET", f"/{bucket}", headers=signed(daemon, "GET", f"/{bucket}", WRONG["region"][0]), sign=False)
    assert reply.text("Region") == daemon.region
    reply = daemon.raw("GET", f"/{bucket}", headers=signed(daemon, "GET", f"/{bucket}", WRONG["secret"][0]), sign=False)
    assert reply.text("CanonicalRequest").startswith(f"GET\n/{bucket}\n") and reply.text("StringToSign").startswith("AWS4-HMAC-SHA256\n")
    assert reply.text("HostUsed") == f"127.0.0.1:{daemon.port}" and reply.text("AWSAccessKeyId") == daemon.user
    reply = daemon.raw("GET", f"/{bucket}", headers=signed(daemon, "GET", f"/{bucket}", WRONG["an unsigned header"][0]), sign=False)
    assert reply.text("HeadersNotSigned") == "x-amz-meta-late"


def test_signature_version_2_in_the_query(daemon, bucket):
    expect(daemon.raw("GET", f"/{bucket}/k", query="AWSAccessKeyId=cairn-tester&Expires=9999999999&Signature=abc%3D", sign=False), 400, "InvalidRequest")


def test_strangers_are_told_nothing(daemon, bucket):
    daemon.raw("PUT", f"/{bucket}/k", body=b"x")
    for method, path in ("GET", "/"), ("GET", f"/{bucket}"), ("GET", f"/{bucket}/k"), ("GET", f"/{bucket}/no"), ("GET", "/no-such-bucket/k"), \
            ("PUT", f"/{bucket}/l"), ("POST", f"/{bucket}?delete"), ("POST", f"/{bucket}/k?uploads"), ("DELETE", f"/{bucket}/k"), \
            ("POST", "/?cairn=posix"), ("GET", f"/{bucket}?cairn=data&ino=1"):
        expect(daemon.raw(method, path, sign=False), 403, "AccessDenied")
    assert daemon.raw("HEAD", f"/{bucket}/k", sign=False).status == 403


def test_the_date_header_stands_in_for_x_amz_date(daemon, bucket):
    headers = {"host": f"127.0.0.1:{daemon.port}", "x-amz-date": stamp()}
    daemon.sign("GET", f"/{bucket}", "", headers, "UNSIGNED-PAYLOAD")
    date = headers.pop("x-amz-date")
    headers["date"] = date
    headers["authorization"] = headers["authorization"].replace(";x-amz-date", "")
    assert daemon.raw("GET", f"/{bucket}", headers=headers, sign=False).code == "SignatureDoesNotMatch", "a date that counts, a signature that does not"


def test_the_date_header_may_be_a_mails(daemon, bucket):
    now = datetime.now(timezone.utc).replace(microsecond=0)
    for zone, offset in ("GMT", 0), ("-0000", 0), ("+0130", 5400), ("CET", None):
        date, basic = (now + timedelta(seconds=offset or 0)).strftime("%a, %d %b %Y %H:%M:%S ") + zone, now.strftime("%Y%m%dT%H%M%SZ")
        scope, names, host = f"{basic[:8]}/{daemon.region}/s3/aws4_request", "date;host;x-amz-content-sha256", f"127.0.0.1:{daemon.port}"
        canonical = "\n".join(["GET", f"/{bucket}", "", f"date:{date}", f"host:{host}", "x-amz-content-sha256:UNSIGNED-PAYLOAD", "", names, "UNSIGNED-PAYLOAD"])
        signature = hmac_hex(signing_key(daemon.password, scope), ALGORITHM, basic, scope, hashlib.sha256(canonical.encode()).hexdigest())
        headers = {"date": date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
                   "authorization": f"{ALGORITHM} Credential={daemon.user}/{scope},SignedHeaders={names},Signature={signature}"}
        assert daemon.raw("GET", f"/{bucket}", headers=headers, sign=False).status == (403 if offset is None else 200), zone


def test_a_connection_goes_on_after_a_refusal(daemon, bucket):
    good = head(daemon, "GET", f"/{bucket}")
    bad = head(daemon, "PUT", f"/{bucket}/k", {**signed(daemon, "PUT", f"/{bucket}/k", WRONG["secret"][0]), "content-length": "5"}, sign=False)
    with Connection(daemon) as connection:
        for _ in range(3):
            connection.send(bad + b"hello" + good)
            assert (connection.reply("PUT").status, connection.reply().status) == (403, 200)


def test_many_requests_that_differ_only_in_their_signature(daemon, bucket):
    """None of them is found in a cache of what was verified before."""
    text = head(daemon, "GET", f"/{bucket}")
    at = text.index(b"Signature=") + 10
    assert talk(daemon, text).status == 200
    for i in range(64):
        digit = b"0" if text[at + i:at + i + 1] != b"0" else b"1"
        assert talk(daemon, text[:at + i] + digit + text[at + i + 1:]).status == 403
    assert talk(daemon, text).status == 200
