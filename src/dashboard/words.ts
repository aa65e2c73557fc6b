/** `161,057` */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `1 item`, `214 items` */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** USD in cents, four decimals below one cent. */
export function money(usd: number): string {
  const decimals = usd !== 0 && Math.abs(usd) < 0.00995 ? 4 : 2;
  return `$${usd.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })}`;
}

/** `41 s`, `4 min 12 s`, `1 h 18 min`, `3 d 4 h` */
export function duration(ms: number): string {
  if (ms > 0 && ms < 950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const at = Math.max(0, seconds === 0 ? 3 : units.findIndex(([, length]) => seconds >= length));
  const [unit, length] = units[at]!;
  const next = units[at + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % length) / next[1]);
  return `${Math.floor(seconds / length)} ${unit}${next !== undefined && rest > 0 ? ` ${rest} ${next[0]}` : ""}`;
}

/** `41 %`, and `0.4 %` below one */
export function percent(share: number): string {
  const hundredths = share * 100;
  return `${hundredths > 0 && hundredths < 1 ? hundredths.toFixed(1) : Math.round(hundredths)} %`;
}

/** With a capital letter and a full stop. */
export function sentence(text: string): string {
  const start = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
