"""Logs in and posts with the Python client: SERVICE HANDLE PASSWORD."""

import json
import sys

from atproto import Client

service, handle, password = sys.argv[1:]
client = Client(base_url=f"{service}/xrpc")
me = client.login(handle, password)

kept = client.send_post("from Python")
like = client.like(kept.uri, kept.cid)
assert client.unlike(like.uri)
assert client.delete_post(client.send_post("not for long").uri)

records = client.com.atproto.repo.list_records(
    {"repo": me.did, "collection": "app.bsky.feed.post"}
).records
assert [record.uri for record in records] == [kept.uri], records

again = Client(base_url=f"{service}/xrpc")
again.login(session_string=client.export_session_string())
print(json.dumps({"did": again.me.did, "post": kept.uri}))
