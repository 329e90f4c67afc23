// Says hello and handles a button. Only `slackApiUrl` is specific to the sandbox.
import bolt from '@slack/bolt';

const app = new bolt.App({
  token: process.env.SLACK_BOT_TOKEN,
  appToken: process.env.SLACK_APP_TOKEN,
  socketMode: true,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL },
});

app.message('hello', async ({ message, say }) => {
  await say({
    text: `Hello, <@${message.user}>!`,
    blocks: [
      {
        type: 'section',
        text: { type: 'mrkdwn', text: `Hello, <@${message.user}>!` },
        accessory: {
          type: 'button',
          text: { type: 'plain_text', text: 'Press me' },
          action_id: 'press_me',
          value: 'v1',
        },
      },
    ],
  });
});

app.action('press_me', async ({ body, action, ack, respond, client }) => {
  await ack();
  await respond({ text: `<@${body.user.id}> pressed ${action.value}`, replace_original: true });
  await respond({ text: 'Only you see this.', response_type: 'ephemeral', replace_original: false });
  await client.reactions.add({ channel: body.channel.id, timestamp: body.message.ts, name: 'tada' });
});

app.command('/hello', async ({ command, ack, client }) => {
  await ack(`You said: ${command.text}`);
  await client.views.open({
    trigger_id: command.trigger_id,
    view: {
      type: 'modal',
      callback_id: 'name_form',
      title: { type: 'plain_text', text: 'Your name' },
      submit: { type: 'plain_text', text: 'Send' },
      blocks: [
        {
          type: 'input',
          block_id: 'name',
          label: { type: 'plain_text', text: 'Name' },
          element: { type: 'plain_text_input', action_id: 'value' },
        },
      ],
    },
  });
});

app.view('name_form', async ({ ack, body, view, client }) => {
  const name = view.state.values.name.value.value;
  if (!name) {
    await ack({ response_action: 'errors', errors: { name: 'Please enter a name' } });
    return;
  }
  await ack();
  await client.chat.postMessage({ channel: body.user.id, text: `Nice to meet you, ${name}.` });
});

await app.start();
