// From samples to results: medians, and how each compares with the hand-written limit of the same run.

import { HAND } from "./workloads.mjs";

/** `{ workload, column, median, unit, ratioToHand, min, max, rounds }` for each; without a hand-written figure no ratio. */
export function summarise(figures) {
  const summaries = figures.map(({ workload, column, unit, values, handOf }) => {
    const sorted = values.toSorted((a, b) => a - b);
    const [min, max] = [sorted[0], sorted.at(-1)];
    return {
      workload,
      column,
      median: median(sorted),
      unit,
      min,
      max,
      rounds: values.length,
      handOf,
    };
  });
  return summaries.map(({ handOf, ...summary }) => {
    const hand = find(summaries, handOf, HAND);
    const ratioToHand = hand === undefined ? null : round(summary.median / hand.median);
    const { workload, column, unit, rounds } = summary;
    const [middle, min, max] = [summary.median, summary.min, summary.max].map(round);
    return { workload, column, median: middle, unit, ratioToHand, min, max, rounds };
  });
}

export function find(results, workload, column) {
  return results.find((result) => result.workload === workload && result.column === column);
}

function median(sorted) {
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)];
  return (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Four digits are more than the noise leaves. */
function round(number) {
  return Number(number.toPrecision(4));
}
