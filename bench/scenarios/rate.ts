import { runQuerymill } from "../querymill.ts";
import type { Bench, Scenario } from "../scenario.ts";
import type { Ledger } from "../servers.ts";
import { type Figure, figure } from "../statistics.ts";

/** Requests: 600 lie in the bucket, the rest come at 10 a second. */
const REQUESTS = { rpm: 600, items: 900 };
const TOKENS = { rpm: 3_000, tpm: 400_000, slots: 200, minutes: 2.5 };

/** How much of a server's rate limits is used, and how often it has to refuse. */
export const rate: Scenario = {
  name: "rate",
  what: "a server with rate limits: requests (600 a minute), then tokens (400,000 a minute)",
  quick: true,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? REQUESTS.items;
    const idealMs = ((items - REQUESTS.rpm) / REQUESTS.rpm) * 60_000;
    if (idealMs <= 0) throw new Error(`--items has to be more than the ${REQUESTS.rpm} that the bucket holds`);
    const byRequests = await ledgers(bench, items, { rpm: REQUESTS.rpm }, 50);
    const figures = [
      figure(
        "requests: first request to last answer / ideal",
        "×",
        byRequests.map(({ wallMs }) => wallMs / idealMs),
        {
          atMost: 1.05,
        },
      ),
      figure("requests: refused with 429", "of 1", byRequests.map(refusedShare), { atMost: 0.02 }),
    ];
    if (bench.options.brief) {
      bench.notes.push("the token limit takes some minutes: npm run bench -- rate");
      return figures;
    }
    const perRequest = (byRequests[0]?.tokens ?? Number.NaN) / (byRequests[0]?.ok ?? Number.NaN);
    if (Number.isNaN(perRequest)) {
      bench.notes.push("tokens are counted by the model server of the measuring tools: give --tools FOLDER");
      return figures;
    }
    const { rpm, tpm, slots, minutes } = TOKENS;
    const count = Math.ceil((tpm * (1 + minutes)) / perRequest);
    const byTokens = await ledgers(bench, count, { rpm, tpm }, slots);
    // What lay in the bucket at the start is no part of the window's share.
    const used = byTokens.map(({ tokens, wallMs }) => (tokens - tpm) / ((tpm * wallMs) / 60_000));
    bench.notes.push(`tokens: ${count} items of ${Math.round(perRequest)} tokens`);
    return [
      ...figures,
      figure("tokens: used of what the limit grants", "of 1", used, { atLeast: 0.95 }),
      figure("tokens: refused with 429", "of 1", byTokens.map(refusedShare), { atMost: 0.02 }),
    ];
  },
};

async function ledgers(
  bench: Bench,
  items: number,
  limits: { rpm: number; tpm?: number },
  slots: number,
): Promise<Ledger[]> {
  const server = await bench.modelServer(limits);
  const run = async (): Promise<Ledger> => {
    await runQuerymill(bench, { items, slots, server });
    return await server.ledger();
  };
  return (await bench.interleave({ run })).run!;
}

const refusedShare = ({ refused, received }: Ledger): number => refused / received;
