/** From what is well to what is worst: done, done with failures, ended by a signal, stopped early, refused, a bug. */
const ORDER: readonly ((code: number) => boolean)[] = [
  (code) => code === 0,
  (code) => code === 3,
  (code) => code >= 128,
  (code) => code === 4,
  (code) => code === 2,
];

/** @returns the exit code of a process whose tenants ended with these: the worst of them; 0 without any */
export function worstExitCode(codes: readonly number[]): number {
  const rank = (code: number): number => {
    const at = ORDER.findIndex((is) => is(code));
    return at === -1 ? ORDER.length : at;
  };
  return codes.reduce((worst, code) => (rank(code) > rank(worst) ? code : worst), 0);
}
