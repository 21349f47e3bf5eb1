// BullMQ on the work of the comparison: scripts/peers runs it.
//
//   node bullmq.js burst N LEAD     adds N jobs in bulk, all due LEAD seconds after the start, and drains them
//   node bullmq.js single N         adds N one by one, 64 at a time
//   node bullmq.js steady RATE S    RATE jobs a second for S seconds, each due two seconds later
//   node bullmq.js remove N         removes N delayed jobs, 64 at a time
//   node bullmq.js memory N         what N delayed jobs take in Redis
//
// Prints one JSON object. REDIS_PORT says where Redis is. As its documentation has it for speed: addBulk, a worker with
// concurrency in a process of its own, finished jobs removed; a job's lock and its one Lua script a step are BullMQ's own.
'use strict';
const { fork } = require('node:child_process');
const Redis = require('ioredis');
const { Queue, Worker } = require('bullmq');

const NAME = 'sms';
const BULK = 1000;
const BULKS_AT_ONCE = 8;
const CLIENTS = 64;
const CONCURRENCY = 200;
const DAY_MS = 86_400_000;
const WARM_UP = 5_000;
const AHEAD_MS = 2_000;
const TICK_MS = 50;

const connection = () => new Redis({ port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null });
const TEXT = 'Your table is ready at eight. We look forward to seeing you. '.repeat(3).slice(0, 160);
const OPTIONS = { removeOnComplete: true, removeOnFail: true };
const data = (n, due) => ({ to: `+1212${2_000_000 + (n % 10_000)}`, from: '+12125550100', body: TEXT, due });
const job = (n, due) => ({ name: 'send', data: data(n, due), opts: { ...OPTIONS, delay: due - Date.now() } });

// The worker: a process of its own, which tells how many it has done and how late each began.
function work() {
  let late = [];
  let done = 0;
  const worker = new Worker(NAME, async (job) => { late.push(Date.now() - job.data.due); }, {
    connection: connection(), concurrency: CONCURRENCY,
  });
  worker.on('completed', () => { done += 1; });
  process.on('message', () => { late = []; done = 0; process.send({ cleared: true }); });
  setInterval(() => process.send({ done, at: Date.now(), late: late.splice(0) }), 20);
  worker.waitUntilReady().then(() => process.send({ ready: true }));
}

async function startWorker() {
  const child = fork(__filename, ['work']);
  const state = { done: 0, at: 0, late: [] };
  await new Promise((resolve) => child.on('message', (m) => {
    if (m.ready) resolve();
    if (m.cleared) Object.assign(state, { done: 0, late: [] });
    if (m.done !== undefined) {
      if (m.done > state.done) state.at = m.at;
      state.done = m.done;
      state.late.push(...m.late);
    }
  }));
  const until = async (n) => { while (state.done < n) await new Promise((r) => setTimeout(r, 10)); };
  const clear = () => new Promise((resolve) => {
    child.once('message', function wait(m) { if (m.cleared) resolve(); else child.once('message', wait); });
    child.send('clear');
  });
  return { state, until, clear, end: () => child.kill() };
}

async function addBulk(queue, count, due) {
  let next = 0;
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: BULKS_AT_ONCE }, async () => {
    while (next < count) {
      const from = next;
      next = Math.min(count, next + BULK);
      await queue.addBulk(Array.from({ length: next - from }, (_, i) => job(from + i, due)));
    }
  }));
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

async function atOnce(count, one) {
  let next = 0;
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < count) await one(next++);
  }));
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const WORKS = {
  async burst(queue, count, lead) {
    const worker = await startWorker();
    await addBulk(queue, WARM_UP, Date.now() + 500);
    await worker.until(WARM_UP);
    await worker.clear();
    const due = Date.now() + lead * 1000;
    const added = await addBulk(queue, count, due);
    if (Date.now() > due) throw new Error('adding took longer than the lead: give a longer one');
    await worker.until(count);
    worker.end();
    return { bulk_per_s: added, drain_per_s: count / ((worker.state.at - due) / 1000) };
  },
  async single(queue, count) {
    const add = (n) => queue.add('send', data(n, Date.now() + DAY_MS), { ...OPTIONS, delay: DAY_MS });
    await atOnce(WARM_UP, add);
    return { single_per_s: await atOnce(count, add) };
  },
  async steady(queue, rate, seconds) {
    const worker = await startWorker();
    await addBulk(queue, WARM_UP, Date.now() + 500);
    await worker.until(WARM_UP);
    await worker.clear();
    const total = rate * seconds;
    const began = Date.now();
    let next = 0;
    const open = [];
    while (next < total) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      const upto = Math.min(total, Math.floor(((Date.now() - began) / 1000) * rate));
      const due = Date.now() + AHEAD_MS;
      const spread = (n) => due + Math.floor((TICK_MS * (n - next)) / (upto - next));
      open.push(queue.addBulk(Array.from({ length: upto - next }, (_, i) => job(next + i, spread(next + i)))));
      next = upto;
    }
    await Promise.all(open);
    await worker.until(total);
    worker.end();
    const late = worker.state.late.sort((a, b) => a - b);
    return { p50_ms: quantile(late, 0.5), p99_ms: quantile(late, 0.99), max_ms: late[late.length - 1] };
  },
  async remove(queue, count) {
    const jobs = [];
    for (let from = 0; from < count + WARM_UP; from += BULK) {
      const due = Date.now() + DAY_MS;
      jobs.push(...await queue.addBulk(Array.from({ length: BULK }, (_, i) => job(from + i, due))));
    }
    await atOnce(WARM_UP, (n) => jobs[count + n].remove());
    return { remove_per_s: await atOnce(count, (n) => jobs[n].remove()) };
  },
  async memory(queue, count) {
    const redis = connection();
    const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1]);
    const before = await used();
    await addBulk(queue, count, Date.now() + DAY_MS);
    return { bytes_each: (await used() - before) / count };
  },
};

async function main() {
  const [what, ...numbers] = process.argv.slice(2);
  if (what === 'work') return work();
  const queue = new Queue(NAME, { connection: connection() });
  await queue.waitUntilReady();
  console.log(JSON.stringify(await WORKS[what](queue, ...numbers.map(Number))));
  return process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
