import { Long, ObjectId } from "bson";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SOURCE_PRESETS, type SourcePreset, type TextMapping } from "../../src/job.ts";
import { fieldsNeeded, makeItem } from "../../src/stores/mapping.ts";
import { fitsPreset } from "../../src/stores/presets.ts";

const read = (document: object, mapping: Partial<TextMapping>): string | null => {
  const made = makeItem({ _id: 1, ...document }, { text: null, maxChars: 24_000, ...mapping });
  return "text" in made ? made.text : null;
};
const fitting = (document: object): SourcePreset[] =>
  SOURCE_PRESETS.filter((preset) => fitsPreset({ _id: 1, ...document }, preset));

const zendeskTicket = {
  id: 501,
  subject: "Where is my kayak?",
  description: "Hi, my kayak has not come.",
  requester_id: 77,
  submitter_id: 77,
  assignee_id: 9,
  email_cc_ids: [78],
  via: { channel: "email" },
  comments: [
    {
      id: 3,
      author_id: Long.fromNumber(9),
      plain_body: "It left our\nwarehouse.&nbsp;",
      body: "unused",
      public: true,
      created_at: "2026-02-03T10:00:00Z",
    },
    {
      id: 2,
      author_id: 9,
      body: "Customer is a resller, be careful",
      public: false,
      created_at: "2026-02-03T09:00:00Z",
    },
    { id: 1, author_id: 77, body: "Hi, my kayak has not come.", public: true, created_at: "2026-02-03T08:00:00Z" },
    {
      id: 4,
      author_id: 78,
      body: "Still nothing here. On Tue, Ann wrote: It left",
      html_body:
        "<div>Still nothing here.</div><div class='gmail_quote'>On Tue, Ann wrote:<blockquote>It left</blockquote></div>",
      public: true,
      created_at: "2026-02-04T08:00:00Z",
    },
    { id: 5, author_id: -1, body: "", public: true, created_at: "2026-02-05T08:00:00Z" },
  ],
};
const intercomConversation = {
  type: "conversation",
  id: "c-1",
  created_at: 1_770_000_000,
  source: {
    type: "conversation",
    subject: "<p>Billing</p>",
    body: "<p>Why was I charged &euro;9 twice?</p>",
    author: { type: "lead", id: "l1" },
  },
  conversation_parts: {
    type: "conversation_part.list",
    total_count: 5,
    conversation_parts: [
      { part_type: "comment", body: "<p>Both are gone now.</p>", created_at: 1_770_000_300, author: { type: "admin" } },
      { part_type: "note", body: "<p>refund him quietly</p>", created_at: 1_770_000_200, author: { type: "admin" } },
      { part_type: "note_and_reopen", body: "also quiet", created_at: 1_770_000_210, author: { type: "admin" } },
      { part_type: "assignment", body: null, created_at: 1_770_000_210, author: { type: "bot" } },
      { part_type: "comment", body: "<p>A moment please</p>", created_at: 1_770_000_100, author: { type: "bot" } },
      { part_type: "comment", body: "<p>Thank you</p>", created_at: 1_770_000_400, author: { type: "user" } },
    ],
  },
};
const freshdeskTicket = {
  id: 9,
  subject: "Printer",
  description: "<div>It smokes.</div>",
  description_text: "It smokes.",
  requester_id: 5,
  created_at: "2026-02-03T08:00:00Z",
  conversations: [
    {
      body_text: "Pull the plug!",
      body: "<div>Pull the plug!</div>",
      incoming: false,
      private: false,
      user_id: 1,
      created_at: "2026-02-03T09:00:00Z",
    },
    { body_text: "he sounds angry", incoming: false, private: true, user_id: 1, created_at: "2026-02-03T09:10:00Z" },
    {
      body_text: "Done. On Tue Ann wrote: Pull the plug!",
      body: '<div>Done.</div><div class="freshdesk_quote">On Tue Ann wrote: <blockquote>Pull the plug!</blockquote></div>',
      incoming: true,
      private: false,
      user_id: 5,
      created_at: "2026-02-03T09:20:00Z",
    },
  ],
};
const mailThread = {
  id: "cnv_1",
  subject: "Invoice 77",
  messages: [
    {
      id: "b",
      is_inbound: false,
      is_draft: false,
      body: "<p>It is attached.</p>",
      text: "It is attached.",
      created_at: 1_770_000_500.25,
      author: { username: "ann" },
      recipients: [{ role: "to", handle: "c@example.org" }],
    },
    {
      id: "a",
      is_inbound: true,
      is_draft: false,
      body: "<p>Where is invoice 77?</p><p>-- <br>Carl<br>Tel. 030 1234</p>",
      created_at: 1_770_000_100.5,
      author: null,
      recipients: [{ role: "from", handle: "c@example.org" }],
    },
    {
      id: "c",
      is_inbound: false,
      is_draft: true,
      draft_mode: "shared",
      body: "<p>draft words</p>",
      created_at: 1_770_000_600,
    },
  ],
  drafts: [{ body: "more draft words" }],
  comments: [{ body: "inner words" }],
};

describe("the preset zendesk", () => {
  const expected =
    "Where is my kayak?\n\nCustomer: Hi, my kayak has not come.\nAgent: It left our\nwarehouse.\nCustomer: Still nothing here.";

  it("reads comments in time order, marks the requester and those in copy, leaves private ones and the doubled description out", () => {
    expect(read(zendeskTicket, { preset: "zendesk" })).toBe(expected);
  });

  it("finds comments that were joined beside the ticket, or stand as the API answered", () => {
    const { comments, ...ticket } = zendeskTicket;
    expect(read({ ticket, comments }, { preset: "zendesk" })).toBe(expected);
    expect(read({ ticket: { ...ticket, comments: { comments, count: 5 } } }, { preset: "zendesk" })).toBe(expected);
    const needed = fieldsNeeded({ text: null, maxChars: 1_000, preset: "zendesk" })!;
    const projected = Object.fromEntries(Object.entries(zendeskTicket).filter(([name]) => needed.includes(name)));
    expect(read(projected, { preset: "zendesk" })).toBe(expected);
  });

  it("reads the description of a ticket whose comments are missing, empty or all private", () => {
    const alone = "Where is my kayak?\n\nCustomer: Hi, my kayak has not come.";
    const { comments, ...ticket } = zendeskTicket;
    expect(read(ticket, { preset: "zendesk" })).toBe(alone);
    expect(read({ ...ticket, comments: [] }, { preset: "zendesk" })).toBe(alone);
    expect(read({ ...ticket, comments: [comments[1]] }, { preset: "zendesk" })).toBe(alone);
    expect(fitting(ticket)).toEqual(["zendesk"]);
  });

  it("goes by the author's role where the requester is not known", () => {
    const comments = [
      { author: { role: "end-user" }, body: "Hello?", public: true },
      { author: { role: "agent" }, body: "Hi.", public: true },
      { author_id: 4, body: "Who am I?", public: true },
    ];
    expect(read({ comments }, { preset: "zendesk" })).toBe("Customer: Hello?\nAgent: Hi.\nWho am I?");
  });
});

describe("the preset intercom", () => {
  const expected =
    "Billing\n\nCustomer: Why was I charged €9 twice?\nAgent: A moment please\nAgent: Both are gone now.\nCustomer: Thank you";

  it("reads source and parts in time order, HTML as text, notes left out", () => {
    expect(read(intercomConversation, { preset: "intercom" })).toBe(expected);
  });

  it("takes the parts as a plain list too", () => {
    const { conversation_parts: parts, ...rest } = intercomConversation;
    expect(read({ ...rest, conversation_parts: parts.conversation_parts }, { preset: "intercom" })).toBe(expected);
    const { created_at: _, ...undated } = rest;
    expect(read({ ...undated, conversation_parts: parts }, { preset: "intercom" })).toBe(expected);
  });
});

describe("the preset freshdesk", () => {
  it("reads the description first, then conversations; what is quoted shows in the HTML", () => {
    expect(read(freshdeskTicket, { preset: "freshdesk" })).toBe(
      "Printer\n\nCustomer: It smokes.\nAgent: Pull the plug!\nCustomer: Done.",
    );
  });

  it("reads the notes of an account's export", () => {
    const helpdesk_ticket = {
      subject: "Printer",
      description: "It smokes.",
      requester_id: 5,
      notes: [
        { body: "Which one?", user_id: 1, private: false },
        { body: "inner words", user_id: 1, private: true },
        { body: "The red one.", user_id: 5, private: false },
      ],
    };
    expect(read({ helpdesk_ticket }, { preset: "freshdesk" })).toBe(
      "Printer\n\nCustomer: It smokes.\nAgent: Which one?\nCustomer: The red one.",
    );
    expect(fitting({ helpdesk_ticket })).toEqual(["freshdesk"]);
  });
});

describe("the preset mail", () => {
  it("reads a thread in time order, by direction, without drafts, comments and signatures", () => {
    expect(read(mailThread, { preset: "mail" })).toBe(
      "Invoice 77\n\nCustomer: Where is invoice 77?\nAgent: It is attached.",
    );
    const { subject, messages } = mailThread;
    expect(read({ conversation: { subject }, messages: { _results: messages } }, { preset: "mail" })).toBe(
      "Invoice 77\n\nCustomer: Where is invoice 77?\nAgent: It is attached.",
    );
  });

  it("marks nobody where the direction is not known", () => {
    const messages = [
      {
        from: "a@example.org",
        to: "help@example.org",
        date: "Tue, 3 Feb 2026 10:00:00 +0100",
        body: { html: "<p>One</p>" },
      },
      { from: "help@example.org", to: "a@example.org", date: "Tue, 3 Feb 2026 09:00:00 +0100", text: "Two" },
    ];
    expect(read({ messages }, { preset: "mail" })).toBe("Two\nOne");
  });
});

describe("which preset fits", () => {
  it("is told apart", () => {
    expect(fitting(zendeskTicket)).toEqual(["zendesk"]);
    expect(fitting(intercomConversation)).toEqual(["intercom"]);
    expect(fitting(freshdeskTicket)).toEqual(["freshdesk"]);
    expect(fitting(mailThread)).toEqual(["mail"]);
  });

  it.each([
    [{ text: "a query" }],
    [{ subject: "a", body: "b" }],
    [{ messages: [{ role: "user", content: "Hello" }] }],
    [{ messages: ["Hello"] }],
    [{ comments: [{ text: "Hello" }] }],
    [{ source: "import", body: "Hello" }],
    [{}],
  ])("is none for documents of other shapes (%#)", (document) => {
    expect(fitting(document)).toEqual([]);
  });
});

describe("source.messages", () => {
  const document = {
    owner: new ObjectId("64b000000000000000000001"),
    subject: "Late",
    thread: {
      items: [
        { by: "64b000000000000000000009", words: { html: "<p>Tomorrow.</p>" }, shown: true, at: "2026-01-02" },
        { by: "64b000000000000000000001", words: { text: "When?" }, shown: true, at: "2026-01-01" },
        { by: "64b000000000000000000009", words: { text: "inner words" }, shown: false, at: "2026-01-03" },
        { words: { text: "Closed." }, at: "2026-01-04" },
      ],
    },
  };
  const messages = {
    path: "thread.items",
    text: ["words.text", "words.html"],
    role: "by",
    customer: ["{owner}"],
    private: "!shown",
    time: "at",
  };

  it("reads a thread of one's own: text, role, notes and time by path", () => {
    expect(read(document, { messages })).toBe("Late\n\nCustomer: When?\nAgent: Tomorrow.\nClosed.");
    expect(read(document, { messages: { path: "thread.items", text: "words.text" }, text: "none" })).toBe(
      "When?\ninner words\nClosed.",
    );
    expect(fieldsNeeded({ text: null, maxChars: 1_000, messages })!.toSorted()).toEqual(["owner", "subject", "thread"]);
  });

  it("knows the usual words and fields where nothing else is said", () => {
    const log = [
      { who: "Guest", text: "Hi" },
      { who: "staff", text: "Hello" },
      { who: "x", text: "inner", internal: true },
    ];
    expect(read({ log }, { messages: { path: "log", role: "who" } })).toBe("Customer: Hi\nAgent: Hello");
    expect(read({ log }, { messages: { path: "log", role: "who", customer: ["STAFF"] } })).toBe(
      "Agent: Hi\nCustomer: Hello",
    );
    expect(read({ log: "text" }, { messages: { path: "log" } })).toBeNull();
  });
});

describe("whatever a document holds", () => {
  const anything = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(
        null,
        true,
        false,
        7,
        -1,
        Number.NaN,
        "",
        "<p>x</p>",
        "note",
        new Date(Number.NaN),
        new ObjectId(),
      ),
      fc.array(tie("value"), { maxLength: 3 }),
      tie("object"),
    ),
    object: fc.dictionary(
      fc.constantFrom(
        ..."ticket comments conversation_parts conversations notes messages source body html_body author author_id public private created_at subject description description_text is_inbound recipients requester_id _results id type".split(
          " ",
        ),
      ),
      tie("value"),
      { maxKeys: 6 },
    ),
  })).object as fc.Arbitrary<object>;

  it("no preset throws", () => {
    fc.assert(
      fc.property(anything, fc.constantFrom(...SOURCE_PRESETS), (document, preset) => {
        fitsPreset({ ...document, _id: 1 }, preset);
        read(document, { preset });
        read(document, { messages: { path: "comments", role: "author", private: "public", time: "created_at" } });
      }),
      { seed: 7, numRuns: 3_000 },
    );
  });

  // Ten times the work may take ten times as long: far less than the hundred times of a quadratic reader.
  it("time grows with the size: 50,000 messages and 16 MB", () => {
    const many = (make: (at: number) => object) => Array.from({ length: 50_000 }, (_, at) => make(at));
    const hostile: [SourcePreset, object][] = [
      [
        "zendesk",
        {
          requester_id: 1,
          comments: many((at) => ({
            author_id: at % 2,
            body: `line ${at}\n> old\n-- \nAnn`,
            public: at % 3 > 0,
            created_at: 1_770_000_000 - at,
          })),
        },
      ],
      [
        "intercom",
        {
          source: { body: "a" },
          conversation_parts: many((at) => ({ part_type: at % 2 ? "note" : "comment", body: `<p>${at}</p>` })),
        },
      ],
      [
        "freshdesk",
        { description_text: "a", conversations: many((at) => ({ incoming: true, body: `<blockquote>${at}` })) },
      ],
      [
        "mail",
        { messages: many((at) => ({ is_inbound: true, body: `Am 3.2.2026 um 10:00 schrieb Ann <a@b>:\n>${at}` })) },
      ],
      ["mail", { messages: [{ is_inbound: true, body: `<div class="gmail_quote">${"<div>".repeat(3_000_000)}` }] }],
      ["mail", { messages: [{ is_inbound: true, body: `x\n${"Best regards\nAnn\n".repeat(900_000)}` }] }],
      ["mail", { messages: [{ is_inbound: true, body: `x\n${"--\n".repeat(5_000_000)}` }] }],
      ["mail", { messages: [{ is_inbound: true, body: "From: a\nSent: b\n\n".repeat(900_000) }] }],
      ["mail", { messages: [{ is_inbound: true, body: `${"On 3 ".repeat(3_000_000)} wrote:` }] }],
      ["mail", { messages: [{ is_inbound: true, body: `<p ${"class = ".repeat(2_000_000)}>x` }] }],
      ["zendesk", { comments: [{ public: true, html_body: "<blockquote".repeat(1_400_000) }] }],
    ];
    for (const [preset, document] of hostile) {
      fitsPreset({ ...document, _id: 1 }, preset);
      const made = makeItem({ _id: 1, ...document }, { text: null, maxChars: 24_000, preset });
      if ("text" in made) expect(made.text.length).toBeLessThanOrEqual(24_000);
    }
  });
});
