import { httpFailure } from "./http-failure.ts";

/**
 * Which part of a request a server does not take: the one that it names as the parameter, else the one that its
 * sentence names first.
 * @param namedBy what names each part, matched against lower case
 * @returns null for every other refusal
 */
function refusedFeature<Feature extends string>(
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

/** Which form of each part of a request is in use: indexes into the forms, which only ever grow. */
type FormOf<Feature extends string> = Readonly<Record<Feature, number>>;

/**
 * The form to write requests in after one was refused.
 * @param learned in use now
 * @param sent the refused request's
 * @param forms the ways to say each part, the preferred one first
 * @returns `learned` itself when it has moved on since; null when there is no other form to try
 */
export function formAfterRefusal<Feature extends string>(
  refused: { readonly status: number; readonly answer: string },
  { learned, sent }: { readonly learned: FormOf<Feature>; readonly sent: FormOf<Feature> },
  namedBy: Readonly<Record<Feature, RegExp>>,
  forms: Readonly<Record<Feature, readonly string[]>>,
): FormOf<Feature> | null {
  const feature = refusedFeature(refused.status, refused.answer, namedBy);
  if (feature === null) return null;
  // Calls in flight at the same time are refused for the same reason: only the first of them moves the form.
  if (learned[feature] !== sent[feature]) return learned;
  if (sent[feature] + 1 >= forms[feature].length) return null;
  return { ...learned, [feature]: sent[feature] + 1 };
}
