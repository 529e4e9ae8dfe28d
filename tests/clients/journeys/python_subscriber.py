"""Prints seq and commit of every event: STREAM CURSOR."""

import json
import os
import sys
import traceback

from atproto import FirehoseSubscribeReposClient, models, parse_subscribe_repos_message

stream, cursor = sys.argv[1:]


def on_message(message):
    event = parse_subscribe_repos_message(message)
    seq = getattr(event, "seq", None)
    if seq is None:
        return
    is_commit = isinstance(event, models.ComAtprotoSyncSubscribeRepos.Commit)
    commit = str(event.commit) if is_commit else None
    print(json.dumps({"seq": seq, "commit": commit}), flush=True)


def on_error(error):
    traceback.print_exception(error)
    os._exit(1)


client = FirehoseSubscribeReposClient({"cursor": int(cursor)}, base_uri=f"{stream}/xrpc")
client.start(on_message, on_error)
