import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { optionOf } from "../../src/config/schema.ts";
import { fetchKubernetesValidate, validate } from "../support/kubernetes-validate.ts";
import { makeWorkspace } from "../support/workspace.ts";

// biome-ignore lint/suspicious/noExplicitAny: YAML of others' shapes, looked at by path
type Any = any;
const drainSeconds = (optionOf("deadlines.drainMs").default as number) / 1_000;
const manifests = globSync("examples/kubernetes/*.yaml");
const resources: Any[] = manifests.flatMap((file) =>
  parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS()),
);
const pods: Any[] = resources.flatMap(({ kind, spec }) =>
  kind === "StatefulSet" ? [spec.template.spec] : kind === "CronJob" ? [spec.jobTemplate.spec.template.spec] : [],
);

test("the manifests fit the schemas of Kubernetes", async (context) => {
  const tool = await fetchKubernetesValidate();
  if ("missing" in tool) return context.skip(`kubernetes-validate cannot be had: ${tool.missing}`);
  for (const file of manifests) {
    const { code, said } = await validate(tool.folder, file);
    expect({ file, code }, said).toEqual({ file, code: 0 });
  }
  const workspace = makeWorkspace();
  workspace.write("wrong.yaml", readFileSync(manifests[0]!, "utf8").replace("concurrencyPolicy:", "concurrency:"));
  workspace.write("wrong2.yaml", readFileSync(manifests[1]!, "utf8").replace("replicas: 1", "replicas: one"));
  expect((await validate(tool.folder, workspace.path("wrong.yaml"))).code).not.toBe(0);
  expect((await validate(tool.folder, workspace.path("wrong2.yaml"))).code).not.toBe(0);
});

test("every pod is restricted, mounts the batch directory on a claim and has time to drain", () => {
  expect(pods).toHaveLength(2);
  for (const { securityContext, containers, volumes, terminationGracePeriodSeconds } of pods) {
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds);
    const [container] = containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(container.volumeMounts).toContainEqual({ name: "state", mountPath: "/data" });
    for (const volume of volumes) if (volume.emptyDir) expect(volume.name).toBe("tmp");
    expect(container.resources.limits.memory).toBe("1Gi");
  }
});

test("two never run at once, and what a restart does not mend is not tried again", () => {
  const of = (kind: string): Any => resources.find((resource) => resource.kind === kind);
  expect(of("StatefulSet").spec.replicas).toBe(1);
  expect(of("StatefulSet").spec.persistentVolumeClaimRetentionPolicy.whenDeleted).toBe("Retain");
  expect(of("CronJob").spec.concurrencyPolicy).toBe("Forbid");
  const [rule] = of("CronJob").spec.jobTemplate.spec.podFailurePolicy.rules;
  expect(rule).toMatchObject({ action: "FailJob", onExitCodes: { values: [3, 4] } });
});

test("the compose file keeps the state in a named volume, on a read-only root, with time to drain", () => {
  const compose: Any = parse(readFileSync("examples/compose/compose.yaml", "utf8"));
  const { querymill, mongodb } = compose.services;
  expect(querymill).toMatchObject({
    read_only: true,
    cap_drop: ["ALL"],
    security_opt: ["no-new-privileges:true"],
    depends_on: { mongodb: { condition: "service_healthy" } },
  });
  expect(querymill.volumes).toContain("state:/data");
  expect(Object.keys(compose.volumes)).toContain("state");
  expect(Number.parseInt(querymill.stop_grace_period, 10)).toBeGreaterThan(drainSeconds);
  // Compose cannot tell exit codes apart: a bound on the number is what it has.
  expect(querymill.restart).toMatch(/^on-failure:[1-9]$/);
  expect(mongodb.command).toContain("--replSet");
  for (const service of Object.values<Any>(compose.services))
    for (const volume of service.volumes) {
      const [from] = volume.split(":");
      if (from.startsWith(".")) expect(() => readFileSync(`examples/compose/${from}`)).not.toThrow();
      else expect(Object.keys(compose.volumes)).toContain(from);
    }
  for (const name of querymill.secrets) expect(Object.keys(compose.secrets)).toContain(name);
});
