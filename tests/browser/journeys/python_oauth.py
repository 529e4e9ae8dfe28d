"""An app in Python: SERVICE DIRECTORY DID REDIRECT_URI.

Prints where to send the browser, reads where the browser was sent, and then
calls, refreshes, refreshes at the same time, and gives the session up.
"""

import asyncio
import functools
import json
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

from atproto_identity.resolver import AsyncIdResolver
from atproto_oauth import OAuthClient, client as flow, metadata, security
from atproto_oauth.stores import MemorySessionStore, MemoryStateStore

SCOPE = "atproto repo:app.bsky.feed.post"
service, directory, did, redirect_uri = sys.argv[1:]


def allow_this_machine():
    """The library speaks to public servers only; this one is on this machine.

    Everything else that it asks of a server stays asked.
    """
    check = security.validate_authserver_metadata

    def validate(document, _):
        public = {**document, "issuer": "https://pds.example"}
        assert document["issuer"] == service, document
        check(public, "https://pds.example")

    metadata.validate_authserver_metadata = validate
    for module in (flow, metadata):
        for name in ("is_safe_url", "get_hardened_async_client"):
            allowed = functools.partial(getattr(security, name), allow_localhost=True)
            setattr(module, name, allowed)


async def main():
    allow_this_machine()
    client = OAuthClient(
        client_id="http://localhost?" + urlencode({"redirect_uri": redirect_uri, "scope": SCOPE}),
        redirect_uri=redirect_uri,
        scope=SCOPE,
        state_store=MemoryStateStore(),
        session_store=MemorySessionStore(),
    )
    client._id_resolver = AsyncIdResolver(plc_url=directory)
    address, _ = await client.start_authorization(did)
    print(address, flush=True)
    answer = parse_qs(urlsplit(sys.stdin.readline().strip()).query)
    code, state, issuer = (answer[name][0] for name in ("code", "state", "iss"))
    session = await client.handle_callback(code=code, state=state, iss=issuer)
    assert session.did == did, session.did

    async def create(collection):
        record = {"$type": collection, "text": "from Python", "createdAt": "2026-01-01T00:00:00Z"}
        return await client.make_authenticated_request(
            session, "POST", f"{service}/xrpc/com.atproto.repo.createRecord",
            json={"repo": did, "collection": collection, "record": record},
        )

    made = await create("app.bsky.feed.post")
    assert made.status_code == 200, made.text
    refused = await create("app.bsky.feed.like")
    assert refused.status_code == 403, refused.text
    assert refused.json()["error"] == "ScopeMissingError", refused.text

    before = session.access_token
    await client.refresh_session(session)
    assert session.access_token != before
    # Apps take turns: a refresh token is good once.
    turn = asyncio.Lock()

    async def refresh_and_post():
        async with turn:
            await client.refresh_session(session)
        return await create("app.bsky.feed.post")

    answers = await asyncio.gather(*(refresh_and_post() for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers

    await client.revoke_session(session)
    late = await create("app.bsky.feed.post")
    assert late.status_code == 401, late.text
    print(json.dumps({"post": made.json()["uri"]}))


asyncio.run(main())
