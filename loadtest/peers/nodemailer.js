// Nodemailer on the work of the comparison: `node nodemailer.js N PORT CONNECTIONS` hands N mails of 1 KB to the mail
// server on that port, over its pool, and prints how many a second as JSON. scripts/peers runs it.
'use strict';
const nodemailer = require('nodemailer');

const [count, port, connections] = process.argv.slice(2).map(Number);
const TEXT = 'A line of ordinary text in an ordinary mail, of about sixty bytes.\n'.repeat(15);
// More than there are connections, so that none waits for us.
const AT_ONCE = connections * 4;
const WARM_UP = 2_000;

const transport = nodemailer.createTransport({
  host: '127.0.0.1', port, pool: true, maxConnections: connections, maxMessages: Infinity, ignoreTLS: true,
});

async function send(count) {
  let next = 0;
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const n = next++;
      await transport.sendMail({
        from: 'Harness <harness@example.com>', to: `person${n % 10_000}@example.com`, subject: `Your order ${n}`, text: TEXT,
      });
    }
  }));
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

send(WARM_UP).then(() => send(count)).then((rate) => {
  console.log(JSON.stringify({ email_per_s: rate }));
  process.exit(0);
}).catch((error) => { console.error(error); process.exit(1); });
