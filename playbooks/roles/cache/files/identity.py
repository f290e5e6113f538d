#!/usr/bin/env python3
"""Keeps the cache's way into the tenant by the hub's own identity: identity SETTINGS.json [once]

Settings: ``kind``: ``managed`` (the hub has an endpoint that gives out tokens) or ``file`` (others keep one in
``file``); ``resource``; ``include``: the file of nginx that has the token; ``reload``: has nginx read it.

A managed identity's endpoint is that of IDENTITY_ENDPOINT (App Service; Azure Arc, with its challenge), else the
machine's metadata service. A token is asked for again when half of its time is over, and what fails is tried again
soon: until then the old one is used. With ``once`` it is asked for one time, and nginx is told nothing.
"""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
AGAIN_S, SHORTEST_S, LOOK_S = 2.0, 5.0, 30.0


def managed(resource):
    """Return a token of the hub's managed identity, and when it ends, in s since 1970. Raises OSError, ValueError."""
    url = os.environ.get("IDENTITY_ENDPOINT", IMDS)
    query = urllib.parse.urlencode({"api-version": "2018-02-01" if url == IMDS else "2019-08-01", "resource": resource})
    headers = {"Metadata": "true"}
    if "IDENTITY_HEADER" in os.environ:
        headers["X-IDENTITY-HEADER"] = os.environ["IDENTITY_HEADER"]
    try:
        told = ask(f"{url}?{query}", headers)
    except urllib.error.HTTPError as error:  # Azure Arc: who may read a file of root's has the right to ask
        realm = error.headers.get("WWW-Authenticate", "").partition("realm=")[2].strip('"')
        if error.code != 401 or not realm:
            raise
        with open(realm, encoding="ascii") as key:
            told = ask(f"{url}?{query}", {**headers, "Authorization": f"Basic {key.read().strip()}"})
    return told["access_token"], float(told["expires_on"])


def ask(url, headers):
    """Return an answer's JSON."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return json.load(answer)


def of_file(path):
    """Return the token that lies in a file, and when it ends as it says itself. Raises OSError, ValueError."""
    with open(path, encoding="ascii") as stream:
        token = stream.read().strip()
    claims = token.split(".")[1]
    return token, float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])


def put(include, token):
    """Have nginx's file say a token; return whether it said another one."""
    said = f'set $sas "";\nset $upload_sas "";\nset $bearer "{"Bearer " + token if token else ""}";\n'
    if os.path.exists(include):
        with open(include, encoding="ascii") as stream:
            if stream.read() == said:
                return False
    new = f"{include}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(said)
    os.replace(new, include)
    return True


def renew(settings):
    """Ask once; return whether nginx has something to read, and how long to wait."""
    try:
        if settings["kind"] == "managed":
            token, ends_s = managed(settings["resource"])
        else:
            token, ends_s = of_file(settings["file"])
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"no token: {error}", flush=True)
        missing = not os.path.exists(settings["include"])
        return missing and put(settings["include"], ""), AGAIN_S
    wait_s = max(SHORTEST_S, (ends_s - time.time()) / 2)
    return put(settings["include"], token), min(wait_s, LOOK_S) if settings["kind"] == "file" else wait_s


def main(path, *words):
    """Keep the token, until killed."""
    with open(path, encoding="utf-8") as stream:
        settings = json.load(stream)
    while True:
        changed, wait_s = renew(settings)
        if "once" in words:
            return
        if changed:
            subprocess.run(settings["reload"], check=False)
        time.sleep(wait_s)


if __name__ == "__main__":
    main(*sys.argv[1:])
