import { systemClocks } from "../../src/clocks.ts";
import type { JobSettings } from "../../src/job.ts";
import { JobExecution } from "../../src/jobs/job-execution.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { type AppendFile, type FileSystem, nodeFileSystem } from "../../src/state/files.ts";

/** What the disk under a run does; change it while it is in use. */
export interface RunDisk {
  /** Files that do not grow any more, until the reserve is given back. */
  full: RegExp | null;
  /** Nothing grows any more, whatever is given back. */
  fullForGood: boolean;
  /** Waited before each sync of a journal. */
  syncMs: number;
  journalSyncs: number;
  /** Most journal bytes that were written and not synced. */
  mostUnsynced: number;
}

/** An execution on the real file system, of a disk that can be slow or full: as measured, a full one takes part of a write first. */
export async function faultyRun(settings: JobSettings): Promise<{ execution: JobExecution; disk: RunDisk }> {
  const disk: RunDisk = { full: null, fullForGood: false, syncMs: 0, journalSyncs: 0, mostUnsynced: 0 };
  const execution = new JobExecution(settings, await chooseAdapters(settings), systemClocks, faultyFiles(disk));
  return { execution, disk };
}

function faultyFiles(disk: RunDisk): FileSystem {
  let reserved = false;
  const refuse = (path: string): void => {
    if (disk.fullForGood || disk.full?.test(path)) throw noSpace();
  };
  return {
    ...nodeFileSystem,
    async create(path) {
      const file = await nodeFileSystem.create(path);
      reserved ||= isReserve(path);
      return /\.journal$/.test(path) ? slowFile(fullFile(file, path, refuse), disk) : fullFile(file, path, refuse);
    },
    async write(path, data) {
      refuse(path);
      await nodeFileSystem.write(path, data);
    },
    async overwrite(path, data) {
      refuse(path);
      await nodeFileSystem.overwrite(path, data);
    },
    async removeFile(path) {
      await nodeFileSystem.removeFile(path);
      if (reserved && isReserve(path)) disk.full = null;
    },
  };
}

function fullFile(file: AppendFile, path: string, refuse: (path: string) => void): AppendFile {
  return {
    ...file,
    async write(data, position) {
      try {
        refuse(path);
      } catch (error) {
        await file.write(data.subarray(0, data.length >> 1), position);
        throw error;
      }
      await file.write(data, position);
    },
  };
}

function slowFile(file: AppendFile, disk: RunDisk): AppendFile {
  let unsynced = 0;
  return {
    ...file,
    async write(data, position) {
      unsynced += data.length;
      disk.mostUnsynced = Math.max(disk.mostUnsynced, unsynced);
      await file.write(data, position);
    },
    async sync() {
      disk.journalSyncs += 1;
      if (disk.syncMs > 0) await new Promise((resolve) => setTimeout(resolve, disk.syncMs));
      await file.sync();
      unsynced = 0;
    },
  };
}

const isReserve = (path: string): boolean => path.endsWith("/reserve");

function noSpace(): Error {
  return Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
}
