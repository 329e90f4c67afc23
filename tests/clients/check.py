"""Starts `ivan sandbox` and an app, acts as Ana, and prints the results: `python3 check.py [--ivan PATH] -- COMMAND…`"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# The time limit of each step in seconds. The first step includes the start of the app.
PATIENCE = 30


class Sandbox:
    """The control API."""

    def __init__(self, url):
        self.url = url

    def act(self, route, **fields):
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json"}
        return self.ask(urllib.request.Request(self.url + route, data=body, headers=headers))

    def read(self, **query):
        return self.ask(urllib.request.Request(f"{self.url}/slack?{urllib.parse.urlencode(query)}"))

    def ask(self, request):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            sys.exit(f"✗ {request.full_url}: {refused.status} {refused.read().decode()}")

    def until(self, step, found):
        """Waits until `found` finds something, and prints it."""
        end = time.monotonic() + PATIENCE
        now = self.read(user="ana")
        while True:
            there = found(now)
            if there:
                print(f"✓ {step}: {there if isinstance(there, str) else 'yes'}")
                return there
            if time.monotonic() > end:
                sys.exit(f"✗ {step}: not within {PATIENCE} s; there is {json.dumps(now, indent=1)}")
            now = self.read(user="ana", after=now["happened"], wait=5)


def text_with(messages, part):
    return next((message["text"] for message in messages if part in message["text"]), None)


def check(sandbox):
    sandbox.until("the app is connected", lambda now: now["connections"] == [1])
    sandbox.act("/slack/say", user="ana", text="hello")
    sandbox.until("it answers", lambda now: text_with(now["messages"], "Hello, <@U0ANN01>!"))
    sandbox.act("/slack/press", user="ana", action_id="press_me")
    sandbox.until("a press replaces the message", lambda now: text_with(now["messages"], "pressed v1"))
    sandbox.until("Ana alone is told", lambda now: text_with(now["ephemeral"], "Only you see this."))
    sandbox.until("it reacts", lambda now: any("reactions" in message for message in now["messages"]))
    sandbox.act("/slack/command", user="ana", command="/hello", text="there")
    sandbox.until("the command is answered", lambda now: text_with(now["ephemeral"], "You said: there"))
    view = sandbox.until("a form opens", lambda now: next((view["id"] for view in now["views"]), None))
    sandbox.act("/slack/submit", user="ana", view_id=view, values={"name": {"value": {"value": "Ana"}}})
    sandbox.until("the form is taken", lambda now: text_with(now["messages"], "Nice to meet you, Ana."))
    sandbox.until("the form is closed", lambda now: not now["views"])
    sandbox.act("/slack/fault", fault="disconnect", reason="refresh_requested")
    # A message sent before Bolt has replaced its connection arrives late, or twice.
    sandbox.until("the app has connected again", lambda now: now["connections"] == [2])
    sandbox.act("/slack/say", user="ana", text="hello again")
    sandbox.until("it answers after a refresh", lambda now: text_with(now["messages"], "Hello, <@U0ANN01>!"))
    sandbox.until("all events are acknowledged", lambda now: now["unacknowledged"] == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ivan", default=HERE / "../../target/debug/ivan")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    with subprocess.Popen([asked.ivan, "sandbox"], stdout=subprocess.PIPE, text=True) as ivan:
        try:
            environment = dict(os.environ)
            for line in ivan.stdout:
                if line.startswith("export "):
                    name, value = shlex.split(line)[1].split("=", 1)
                    environment[name] = value
                if line.startswith("export SANDBOX_URL="):
                    break
            with subprocess.Popen(asked.command, env=environment) as app:
                try:
                    check(Sandbox(environment["SANDBOX_URL"]))
                finally:
                    app.terminate()
        finally:
            ivan.terminate()
    print("✓ all of it")


main()
