// Restate on the work of the comparison: scripts/peers runs it.
//
//   node restate.js burst N LEAD    N delayed sends, all due LEAD seconds after the start, and their execution
//   node restate.js single N        the same sends for tomorrow: how fast they are taken
//   node restate.js steady RATE S   RATE sends a second for S seconds, each due two seconds later
//
// Prints one JSON object. RESTATE_SERVER is its server's program; it runs in a folder of its own, with its defaults
// for durability. There is no bulk operation, so 128 kept-open connections send one by one. The handler is that of a
// plain service, which Restate runs faster than a virtual object for each contact, and does nothing.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { fork, spawn } = require('node:child_process');

// Its library takes this for granted; Node 20 does not have it yet.
Promise.withResolvers ??= () => {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
};

const CONNECTIONS = 128;
const WARM_UP = 3_000;
const AHEAD_MS = 2_000;
const TICK_MS = 50;
const DAY_MS = 86_400_000;
const START_WITHIN_MS = 60_000;
const TEXT = 'Your table is ready at eight. We look forward to seeing you. '.repeat(3).slice(0, 160);

// The service: a process of its own, which tells how many it has run and how late each began.
function serve(port) {
  const restate = require('@restatedev/restate-sdk');
  let done = 0;
  let late = [];
  const sms = restate.service({
    name: 'Sms',
    handlers: { send: async (_context, message) => { done += 1; late.push(Date.now() - message.due); } },
  });
  process.on('message', () => { done = 0; late = []; process.send({ cleared: true }); });
  let told = 0;
  let at = Date.now();
  setInterval(() => {
    if (done !== told) at = Date.now();
    told = done;
    process.send({ done, at, late: late.splice(0) });
  }, 20);
  restate.serve({ services: [sms], port });
}

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS, noDelay: true });
const post = (port, at, body) => new Promise((resolve, reject) => {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const request = http.request({ agent, port, host: '127.0.0.1', method: 'POST', path: at, headers }, (answer) => {
    answer.resume();
    answer.on('end', () => (answer.statusCode < 300 ? resolve() : reject(new Error(`${at}: ${answer.statusCode}`))));
  });
  request.on('error', reject);
  request.end(text);
});

async function start(folder) {
  const [ingress, admin, node, service] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const server = spawn(process.env.RESTATE_SERVER, ['--node-name', 'peer', '--base-dir', folder], {
    stdio: 'ignore',
    cwd: folder,
    env: {
      ...process.env,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LOG_FILTER: 'warn',
    },
  });
  const child = fork(__filename, ['serve', String(service)], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const state = { done: 0, at: 0, late: [], cleared: () => {} };
  child.on('message', (m) => {
    if (m.cleared) { Object.assign(state, { done: 0, late: [] }); state.cleared(); return; }
    state.done = m.done;
    state.at = m.at;
    state.late.push(...m.late);
  });
  const end = () => { child.kill('SIGKILL'); server.kill('SIGKILL'); };
  process.on('exit', end);
  for (const began = Date.now(); ;) {
    try {
      await post(admin, '/deployments', { uri: `http://127.0.0.1:${service}` });
      break;
    } catch (error) {
      if (Date.now() - began > START_WITHIN_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  const send = (n, due) => post(ingress, `/Sms/send/send?delay=${Math.max(0, due - Date.now())}ms`, {
    to: `+1212${2_000_000 + (n % 10_000)}`, from: '+12125550100', body: TEXT, due,
  });
  const until = async (n) => { while (state.done < n) await new Promise((r) => setTimeout(r, 10)); };
  const clear = () => new Promise((resolve) => { state.cleared = resolve; child.send('clear'); });
  return { state, send, until, clear };
}

async function sendAll(peer, count, due) {
  let next = 0;
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => { while (next < count) await peer.send(next++, due); }));
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

async function warmUp(peer) {
  await sendAll(peer, WARM_UP, Date.now());
  await peer.until(WARM_UP);
  await peer.clear();
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const WORKS = {
  async burst(peer, count, lead) {
    const due = Date.now() + lead * 1000;
    const added = await sendAll(peer, count, due);
    if (Date.now() > due) throw new Error('adding took longer than the lead: give a longer one');
    await peer.until(count);
    return { single_per_s: added, drain_per_s: count / ((peer.state.at - due) / 1000) };
  },
  async single(peer, count) {
    return { single_per_s: await sendAll(peer, count, Date.now() + DAY_MS) };
  },
  async steady(peer, rate, seconds) {
    const total = rate * seconds;
    const began = Date.now();
    const open = [];
    for (let next = 0; next < total;) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      const upto = Math.min(total, Math.floor(((Date.now() - began) / 1000) * rate));
      const due = Date.now() + AHEAD_MS;
      const from = next;
      for (; next < upto; next++) open.push(peer.send(next, due + Math.floor((TICK_MS * (next - from)) / (upto - from))));
    }
    await Promise.all(open);
    await peer.until(total);
    const late = peer.state.late.sort((a, b) => a - b);
    return { p50_ms: quantile(late, 0.5), p99_ms: quantile(late, 0.99), max_ms: late[late.length - 1] };
  },
};

async function main() {
  const [what, ...numbers] = process.argv.slice(2);
  if (what === 'serve') return serve(Number(numbers[0]));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-restate-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  const peer = await start(folder);
  await warmUp(peer);
  console.log(JSON.stringify(await WORKS[what](peer, ...numbers.map(Number))));
  return process.exit(0);
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));
main().catch((error) => { console.error(error); process.exit(1); });
