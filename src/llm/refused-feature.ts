import { httpFailure } from "./http-failure.ts";

/**
 * Which part of a request a server does not take: the one that it names as the parameter, else the one that its
 * sentence names first.
 * @param namedBy what names each part, matched against lower case
 * @returns null for every other refusal
 */
export function refusedFeature<Feature extends string>(
  status: number,
  answer: string,
  namedBy: Readonly<Record<Feature, RegExp>>,
): Feature | null {
  if (status !== 400 && status !== 422) return null;
  const { failure, parameter, sentence } = httpFailure(status, answer, null, 0);
  if (failure !== "config") return null;
  const features = Object.keys(namedBy) as Feature[];
  if (parameter !== null) {
    const named = features.find((feature) => namedBy[feature].test(parameter.toLowerCase()));
    if (named !== undefined) return named;
  }
  const words = (sentence ?? "").toLowerCase();
  const places = features.map((feature) => ({ feature, at: words.search(namedBy[feature]) }));
  return places.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)[0]?.feature ?? null;
}
