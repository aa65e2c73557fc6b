import { toggle } from "./option.ts";

/** Settings of how a running process is told what to do. */
export const CONTROL_OPTIONS = {
  control: toggle({
    flag: "--no-control",
    help: "open no local socket: querymill control then cannot reach this run",
    default: true,
  }),
} as const;
