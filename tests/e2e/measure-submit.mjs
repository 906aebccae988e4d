// Prints how long a submit takes in Chromium with a profile on disk: 200 awaited one by one, and 1,000 at once.

import { createWorld } from "./fixture.mjs";

const AWAITED = 200;
const CONCURRENT = 1_000;

const steps = [];
try {
  const world = await createWorld({ after: (step) => steps.push(step) }, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = await world.wallet.signMany(AWAITED + CONCURRENT);
  const payloads = signed.map(({ raw }) => raw);
  for (const durability of ["strict", "relaxed"]) {
    const options = world.options({ name: `measure-${durability}`, durability });
    const times = await page.evaluate(measure, { options, payloads, awaited: AWAITED });
    console.log(`${durability}: one awaited submit         ${summary(times.awaited)}`);
    console.log(`${durability}: one of 1,000 at once      ${summary(times.concurrent)}`);
    console.log(`${durability}: all of 1,000 at once       ${times.total.toFixed(1)} ms`);
  }
} finally {
  for (const step of steps) await step();
}

async function measure({ options, payloads, awaited }) {
  await uplink.start(options);
  const value = "x".repeat(1_000);
  let next = 0;
  const submit = async () => {
    const start = performance.now();
    const i = next++;
    await cache.submit({ payload: payloads[i], key: `entry/${i}`, value });
    return performance.now() - start;
  };
  const times = { awaited: [] };
  for (let i = 0; i < awaited; i++) times.awaited.push(await submit());
  const start = performance.now();
  times.concurrent = await Promise.all(Array.from({ length: payloads.length - awaited }, submit));
  times.total = performance.now() - start;
  await cache.close();
  return times;
}

function summary(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2);
  return `median ${at(0.5)} ms   p99 ${at(0.99)} ms`;
}
