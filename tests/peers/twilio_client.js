// Asks a Twilio-compatible API with Twilio's official library, whose base URL alone is changed.
//
// usage: twilio_client.js LIBRARY BASE_URL USER PASSWORD [ACCOUNT_SID]
//
// Speaks as twilio_client.py does. LIBRARY is the folder that the package `twilio` is installed in.

const readline = require("node:readline");

const [library, baseUrl, user, password, accountSid] = process.argv.slice(2);
const twilio = require(library);
const client = twilio(user, password, accountSid ? { accountSid } : {});
client.api.baseUrl = baseUrl;

const TIMES = new Set(["send_at", "date_sent", "date_sent_before", "date_sent_after"]);
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());

const options = (given) =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => [camel(name), TIMES.has(name) ? new Date(value) : value]),
  );

const time = (value) => (value instanceof Date ? value.toISOString().replace(/\.\d+Z$/, "Z") : value);

const shown = (message) =>
  Object.fromEntries(Object.entries(message.toJSON()).map(([name, value]) => [snake(name), time(value)]));

async function answer(operation, { sid, ...given }) {
  switch (operation) {
    case "validate":
      return twilio.validateRequest(given.token, given.signature, given.url, given.params);
    case "create":
      return shown(await client.messages.create(options(given)));
    case "list":
      return (await client.messages.list(options(given))).map(shown);
    case "fetch":
      return shown(await client.messages(sid).fetch());
    case "update":
      return shown(await client.messages(sid).update(options(given)));
    case "delete":
      return client.messages(sid).remove();
    default:
      throw new Error(operation);
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const said = await answer(...JSON.parse(line)).then(
      (ok) => ({ ok }),
      ({ status, code, message }) => ({ error: { status, code, message } }),
    );
    console.log(JSON.stringify(said));
  }
})();
