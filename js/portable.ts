// Files: tasks that go out and come in, and what is damaged. Each goes part by part, so that the module holds one at a time.
import type { Engine, ErrorCode, Part, ReportView } from "../build/uplink_cache.js";
import { invalid } from "./error.js";

/** A task of a file that was not taken. */
export interface Refused {
  /** The task's name. */
  id: string;
  /** Why. */
  code: ErrorCode;
  /** The same in a sentence. */
  message: string;
}

/** What came of a file. */
export interface Imported {
  /** Tasks that are new here, and durable. */
  imported: number;
  /** Tasks that were here already, and are left as they are. */
  known: number;
  /** Tasks that were not taken, and why: the first 1000. */
  refused: Refused[];
  /** How many were not taken. */
  refusedCount: number;
  /** Places in the file that cannot be read. */
  damaged: number;
  /** Whether the file was read to its end, and all the tasks that it says to have were in it. */
  complete: boolean;
}

/** One call of the module that is answered later. */
export type Ask = <T>(call: (engine: Engine, ask: number) => void) => Promise<T>;

const PIECE_BYTES = 1024 * 1024;
const MAX_REFUSED = 1000;
const TYPE = "application/octet-stream";

let files = 0;

/** All tasks that are not final, as of the log's end. */
export async function exportTasks(ask: Ask): Promise<Blob> {
  files += 1;
  const file = files;
  const parts: Blob[] = [];
  for (;;) {
    const part = await ask<Part>((engine, number) => engine.exportPart(number, file));
    // A blob's bytes are the browser's to keep.
    parts.push(new Blob([part.bytes as BlobPart]));
    const { more } = part;
    part.free();
    if (!more) return new Blob(parts, { type: TYPE });
  }
}

/** Takes the tasks of a file in. */
export async function importTasks(ask: Ask, file: Blob): Promise<Imported> {
  files += 1;
  const number = files;
  const sum: Imported = {
    imported: 0,
    known: 0,
    refused: [],
    refusedCount: 0,
    damaged: 0,
    complete: false,
  };
  for (let from = 0; from === 0 || from < file.size; from += PIECE_BYTES) {
    const end = Math.min(from + PIECE_BYTES, file.size);
    const piece = await read(file.slice(from, end)).catch(async (error) => {
      // Nothing more comes: the module forgets it.
      const end = ask((engine, id) => engine.importPart(id, number, new Uint8Array(), true));
      await end.catch(() => undefined);
      throw error;
    });
    const isLast = end === file.size;
    const report = await ask<ReportView>((engine, id) =>
      engine.importPart(id, number, piece, isLast),
    );
    sum.imported += report.imported;
    sum.known += report.known;
    sum.refused.push(...report.refused.slice(0, MAX_REFUSED - sum.refused.length));
    sum.refusedCount += report.refused.length;
    sum.damaged = report.damaged;
    sum.complete = report.complete;
  }
  return sum;
}

async function read(piece: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await piece.arrayBuffer());
  } catch (error) {
    throw invalid("the file cannot be read", error);
  }
}

/**
 * The damaged segments: a line of JSON that says what the file is; then for each segment a line of JSON with its number
 * and how many bytes it has, these bytes, and a line feed.
 */
export async function exportSegments(engine: Engine): Promise<Blob | undefined> {
  const parts: BlobPart[] = [`${JSON.stringify({ file: "uplink-cache damaged", format: 1 })}\n`];
  let count = 0;
  for (const segment of await engine.damaged()) {
    const bytes: Uint8Array | undefined = await engine.segment(segment);
    if (bytes === undefined) continue;
    count += 1;
    const line = JSON.stringify({ segment, bytes: bytes.byteLength });
    parts.push(new Blob([`${line}\n`, bytes as BlobPart, "\n"]));
  }
  return count === 0 ? undefined : new Blob(parts, { type: TYPE });
}
