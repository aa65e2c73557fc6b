import type { KillReport } from "./kills.ts";
import type { StatesReport } from "./states.ts";

/** @returns whether every promise about kills was kept */
export function isSound(report: KillReport): boolean {
  const { lost, doubled, wrong, paidAfterAcknowledgement, paidTwiceInOneLife, killsOverBound } = report;
  const { countersWrong, badEnds, mostInHand, slots } = report;
  const broken = lost + doubled + wrong + paidAfterAcknowledgement + paidTwiceInOneLife + killsOverBound;
  return broken + countersWrong.length + badEnds.length === 0 && mostInHand <= 2 * slots;
}

/** A report for people. @param death what happened to the process */
export function killLines(report: KillReport, death: "kill" | "power cut"): string[] {
  const { store, kills, items, slots, seed } = report;
  const buried = Object.entries(report.buried).map(([failure, count]) => `${count} ${failure}`);
  const flags = death === "kill" ? `--kills ${kills} --store ${store}` : `--power ${kills}`;
  return [
    `${store}: ${kills} ${death}s (${report.killsInRecovery} of them while it opened or recovered), ${items} items, ${report.modelCalls} model calls`,
    `  lost ${report.lost}, doubled ${report.doubled}, wrong ${report.wrong}; counters ${report.countersWrong.join(", ") || "exact"}`,
    `  classified ${report.classified}, skipped ${report.skipped}, dead letters ${report.deadLetters}, of them innocent ${buried.join(", ") || 0}`,
    `  paid again ${report.paidAgain}, bound ${report.bound}: calls that were not acknowledged, ${report.inFlight} of them in flight at the server`,
    `  ${death}s over their bound ${report.killsOverBound}; most at one ${death} ${report.mostInHand} with ${slots} slots`,
    `  paid again after an acknowledgement ${report.paidAfterAcknowledgement}, twice in one life ${report.paidTwiceInOneLife}; answers after the deadline ${report.late}`,
    `  ${report.ends} runs ended by themselves${report.badEnds.length > 0 ? `; ends that should not be: ${report.badEnds.join("; ")}` : ""}`,
    `  ${report.secondsPerKill.toFixed(2)} s a ${death}; again with: npm run crash -- ${flags} --seed ${seed} --slots ${slots}`,
    ...report.examples.map((example) => `  ${example}`),
  ];
}

export function areStatesSound({ lost, corrupt, refused }: StatesReport): boolean {
  return lost + corrupt + refused === 0;
}

export function stateLines(report: StatesReport): string[] {
  const { states, checked, lost, corrupt, refused, damaged, seconds, seed } = report;
  return [
    `crash states: ${checked} of ${states} checked in ${seconds.toFixed(0)} s`,
    ...report.recordings.map(({ name, steps, states: found }) => `  ${name}: ${steps} steps, ${found} states`),
    `  lost ${lost}, corrupt ${corrupt}, refused ${refused}; damage set aside, nothing missing ${damaged}`,
    `  again with: npm run crash -- --states --seed ${seed}${checked < states ? ` --sample ${checked}` : ""}`,
    ...report.examples.map((example) => `  ${example}`),
  ];
}
