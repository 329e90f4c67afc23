"""Says hello and handles a button. Only `base_url` is specific to the sandbox."""

import os

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

app = App(client=WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"]))


@app.message("hello")
def hello(message, say):
    text = f"Hello, <@{message['user']}>!"
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": "Press me"},
        "action_id": "press_me",
        "value": "v1",
    }
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}, "accessory": button}
    say(text=text, blocks=[section])


@app.action("press_me")
def pressed(body, action, ack, respond, client):
    ack()
    respond(text=f"<@{body['user']['id']}> pressed {action['value']}", replace_original=True)
    respond(text="Only you see this.", response_type="ephemeral", replace_original=False)
    client.reactions_add(channel=body["channel"]["id"], timestamp=body["message"]["ts"], name="tada")


@app.command("/hello")
def command(command, ack, client):
    ack(f"You said: {command['text']}")
    entry = {
        "type": "input",
        "block_id": "name",
        "label": {"type": "plain_text", "text": "Name"},
        "element": {"type": "plain_text_input", "action_id": "value"},
    }
    view = {
        "type": "modal",
        "callback_id": "name_form",
        "title": {"type": "plain_text", "text": "Your name"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [entry],
    }
    client.views_open(trigger_id=command["trigger_id"], view=view)


@app.view("name_form")
def submitted(ack, body, view, client):
    name = view["state"]["values"]["name"]["value"]["value"]
    if not name:
        ack(response_action="errors", errors={"name": "Please enter a name"})
        return
    ack()
    client.chat_postMessage(channel=body["user"]["id"], text=f"Nice to meet you, {name}.")


SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()
