/** How strongly a text leans to each step, by words that carry feeling or haste. 1 is "no hint". */
export type Lean = Readonly<Record<string, number>>;

/**
 * Feeling as cue words show it, for the steps `very_negative` … `very_positive`. A word negated shortly before counts
 * the other way round at half weight; capitals and repeated exclamation marks strengthen what is there.
 */
export function sentimentLean(text: string): Lean {
  const words = wordsOf(text);
  let feeling = 0;
  for (const [index, word] of words.entries()) {
    const strength = FEELINGS.get(word) ?? 0;
    if (strength === 0) continue;
    const negated = NEGATIONS.has(words[index - 1] ?? "") || NEGATIONS.has(words[index - 2] ?? "");
    feeling += negated ? -strength / 2 : strength;
  }
  if (TROUBLE.test(plainOf(text))) feeling -= 1.2;
  if (PRAISE_MARKS.test(text)) feeling += 1.5;
  if (ANGER_MARKS.test(text)) feeling -= 2;
  const loud = /[!！]{2}/.test(text) || isShouted(text);
  if (loud) feeling = feeling > 0.5 ? feeling * 1.5 : feeling * 1.3 - 1.5;
  return leanTo(STEPS, Math.max(-6, Math.min(6, feeling)), 1.3);
}

/** Haste as cue words show it, for `critical`, `high`, `normal` and `low`. Without any hint: normal. */
export function urgencyLean(text: string): Lean {
  const whole = plainOf(text);
  const calm = NO_HASTE.test(whole);
  const plain = calm ? whole.replace(NO_HASTE, " ") : whole;
  const critical = CRITICAL.test(plain);
  const high = HIGH.test(plain);
  const low = (calm || LOW.test(plain) || GREETING.test(plain)) && !/[?？]/.test(text);
  return {
    critical: critical ? 8 : 0.3,
    high: high ? 6 : critical ? 1 : 0.5,
    normal: 3,
    low: low && !critical && !high ? 8 : 0.6,
  };
}

const STEPS: Readonly<Record<string, number>> = {
  very_negative: -5,
  negative: -1.8,
  neutral: 0,
  positive: 1.8,
  very_positive: 5,
};

/** By strength; without accents, as {@link plainOf} leaves words. Trouble alone is mildly negative, thanks alone almost nothing. */
const FEELINGS: ReadonlyMap<string, number> = new Map(
  (
    [
      [
        -4,
        "furious outrageous disgusting disgusted thieves scammers crooks unacceptable worst pathetic despicable fraudsters bullshit fuck fucking shit wtf abysmal disgrace unverschamt unverschamtheit frechheit betruger katastrophe inakzeptabel unfassbar wutend ladrones estafadores inaceptable vergonzoso asco pesimo voleurs escrocs inacceptable scandaleux honte ladri vergognoso",
      ],
      [
        -2.5,
        "horrible awful terrible ridiculous useless hate angry nightmare joke appalling dreadful rude liars lawyer sue court idiots incompetent ruined never_again schrecklich nutzlos lacherlich anwalt hasse sauer horrible terrible inutil odio harto abogado nul horreur avocat catastrophe ridicule deteste schlimm pessimo terribile",
      ],
      [
        -1.6,
        "disappointed disappointing frustrated frustrating frustration annoyed annoying upset unhappy poor bad worse worried disappointment unfair confusing fedup tired sick ignored nonsense sad stressful enttauscht enttauschend argerlich frustriert schlecht nervt leider genervt traurig decepcionado decepcionada molesto molesta malo mala frustrado triste preocupado decu decue mecontent mauvais enerve agacant deluso delusa arrabbiato decepcionado chateado ruim teleurgesteld",
      ],
      [
        -1,
        "broken fails failed failing crash crashes crashed error errors stuck wrong problem problems issue issues trouble missing late delayed lost damaged waiting rejected declined blocked locked unable cannot cant complaint complain stolen hacked scam fraud kaputt fehler defekt verspatet verloren beschweren beschwerde gesperrt abgesturzt warte roto rota fallo falla retraso perdido queja reclamo bloqueado casse erreur panne retard perdu plainte bloque rotto errore guasto quebrado defeito",
      ],
      [0.4, "thanks thank thx danke gracias merci grazie obrigado bedankt dank tak tack"],
      [
        1.6,
        "good nice glad pleased helpful friendly happy satisfied appreciate grateful kind quick easy enjoy liked like_it cheers resolved gut freundlich zufrieden nett freut hilfreich bueno buena amable contento contenta satisfecho util bon bonne gentil satisfait content contente utile buono gentile contento bom boa",
      ],
      [
        3,
        "great excellent awesome perfect wonderful brilliant superb impressed toll super perfekt prima klasse hervorragend genial excelente perfecto perfecta maravilloso parfait superbe formidable perfetto ottimo otimo",
      ],
      [
        4.5,
        "love loved amazing fantastic outstanding delighted thrilled incredible best grossartig begeistert fantastisch liebe wunderbar encanta encantado encantada fantastico increible adore fantastique incroyable bravo magnifique",
      ],
    ] as const
  ).flatMap(([strength, words]) => words.split(" ").map((word) => [word, strength] as const)),
);

const NEGATIONS: ReadonlySet<string> = new Set(
  "not no never isnt wasnt dont didnt doesnt wont cant nothing without hardly nicht kein keine nie ohne nunca sin pas jamais non nao niet".split(
    " ",
  ),
);

const PRAISE_MARKS = /[😀😃😄😁😊🙂😍🥰❤💕👍👏🎉🤩]|\b5 stars\b|\bfive stars\b/u;
const ANGER_MARKS = /[😡🤬👎💩🖕😠]|\b(?:1|one) star\b|\bnever again\b|\bnie wieder\b|\bnunca mas\b|\bplus jamais\b/iu;

const TROUBLE = anyOf(
  "(?:does|do|did|is|are|has|have|was|were|can|could|will|wo|would)(?:nt| not)|not (?:working|able|been|get|arrived|received)|never (?:came|arrived|got|received)|no longer|still (?:no|not|waiting)|no (?:answer|reply|response)|nothing (?:works|happens)|(?:went|goes|going) wrong|stopped working|refuse[sd]?|emergency",
  "(?:funktioniert|geht|klappt|kommt|lauft) (?:\\p{L}+ )?nicht|nicht (?:angekommen|erhalten|moglich)|no (?:funciona|puedo|llega|llego|recibi)|(?:marche|fonctionne|peux) pas|non funziona|nao funciona",
);
const CRITICAL = anyOf(
  "on fire|caught fire|smoke|smell(?:s|ing)? (?:of )?(?:gas|burning)|gas leak|burn(?:t|ed|ing|s)|electric shock|injur(?:ed|y)|hurt|bleeding|allergic reaction|ambulance|hospital|emergency|life.threatening|suicid\\w*",
  "stole|stolen|hacked|fraud(?:ulent)?|unauthori[sz]ed|did ?n.?t (?:make|authori[sz]e)|someone (?:is|has|else)|never made|scammed|identity theft",
  "outage|production (?:is )?down|(?:system|site|server|service|checkout|everything) (?:is |are )?down|nobody can|no one can|all (?:our|my) (?:users|customers)",
  "brennt|feuer|rauch|gasgeruch|verletzt|notfall|gestohlen|gehackt|betrug|ausfall|incendio|humo|fuego|herido|emergencia|robad\\w*|robo|hacke\\w*|fraude|incendie|fumee|blesse|urgence vitale|vole|pirate",
);
const HIGH = anyOf(
  "urgent(?:ly)?|asap|as soon as possible|right now|right away|immediately|hurry|quickly|today|tonight|tomorrow|deadline|within (?:the|an|\\d+) hours?|in \\d+ (?:hours?|minutes?)|this (?:morning|afternoon|evening)",
  "(?:second|third|fourth|fifth|2nd|3rd|4th|5th) time|again and again|still (?:no|not|waiting|have)|no (?:answer|reply|response)|nobody (?:answers|replies|responds)|weeks? ago|for (?:weeks|days|months)|keeps? (?:happening|failing)",
  "locked out|cannot work|can.?t work|stranded|stuck at|desperate|lost my|block my|freeze my",
  "dringend|sofort|heute|morgen fruh|bis morgen|eilig|schnellstmoglich|zum (?:dritten|zweiten) mal|immer noch|urgente|hoy|manana|cuanto antes|inmediatamente|tercera vez|todavia no|urgence|aujourd.?hui|demain|au plus vite|immediatement|troisieme fois|toujours pas|oggi|domani|subito",
);
const NO_HASTE = anyOf(
  "no(?:t in a)? (?:hurry|rush)|not urgent|keine eile|nicht dringend|sin prisa|no es urgente|pas (?:presse|urgent)",
);
const LOW = anyOf(
  "whenever|when you have time|suggest(?:ion)?s?|feedback|feature request|would be (?:nice|great|cool)|just (?:wanted|curious|wondering)|curious|idea|love|great|thank(?:s| you)|compliments?|well done|joke",
  "anregung|vorschlag|idee|danke|lob|sugerencia|gracias|pas presse|merci|grazie",
);

/** A text that says nothing but hello. */
const GREETING =
  /^\W*(?:hello|hi|hey|good (?:morning|evening|day)|hallo|guten tag|hola|bonjour|ciao)(?: there| all)?\W*$/;

/** Weights of the steps around a value: a bell of the given width, at most 1 and never 0. */
function leanTo(steps: Readonly<Record<string, number>>, value: number, width: number): Lean {
  return Object.fromEntries(
    Object.entries(steps).map(([step, at]) => [step, Math.exp(-(((value - at) / width) ** 2) / 2) + 1e-4]),
  );
}

/** At least three words of three letters or more, and no small letter in most of them. */
function isShouted(text: string): boolean {
  const words = text.match(/\p{L}{3,}/gu) ?? [];
  return (
    words.length >= 3 &&
    words.filter((word) => word === word.toUpperCase() && word !== word.toLowerCase()).length > words.length * 0.6
  );
}

function wordsOf(text: string): readonly string[] {
  return plainOf(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Lower case without accents and apostrophes. */
function plainOf(text: string): string {
  return text
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[\u0300-\u036f'’]/g, "");
}

function anyOf(...alternatives: readonly string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${alternatives.join("|")})(?![\\p{L}\\p{N}])`, "u");
}
