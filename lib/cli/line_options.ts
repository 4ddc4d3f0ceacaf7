// Flags and variables about being found and reached, and limits by the hour.

import type { Command } from "commander";
import type { OutreachSettings } from "../line/outreach.ts";
import type { ScheduleWindow } from "../line/schedule.ts";
import { collect, type Inputs } from "./inputs.ts";
import { type Given, parseSize, refused } from "./values.ts";

/** Adds those that every command with a port has. */
export function addLineOptions(command: Command): Command {
  return command
    .option(
      "--no-port-mapping",
      "ask no router to pass the port on (env PORT_MAPPING_ENABLED, true or false)",
    )
    .option("--no-lsd", "do not look for peers in the local network (env LSD_ENABLED, true or false)");
}

/** Adds the one of those that run for days. */
export function addSchedule(command: Command): Command {
  return command.option(
    "--schedule <hours=rate>",
    "another limit at some hours: 08:00-18:00=500K, or UP/DOWN; may be repeated (env SCHEDULE, a list)",
    collect,
  );
}

/** @throws {UsageError} */
export function readLineOptions(inputs: Inputs): Required<Pick<OutreachSettings, "portMapping" | "lsd">> {
  return {
    portMapping: readEnabled(inputs.variable("PORT_MAPPING_ENABLED")) && !inputs.isOff("portMapping"),
    lsd: readEnabled(inputs.variable("LSD_ENABLED")) && !inputs.isOff("lsd"),
  };
}

/** @throws {UsageError} */
export function readSchedule(inputs: Inputs): ScheduleWindow[] {
  const flags = inputs.list("--schedule");
  const variable = inputs.variable("SCHEDULE");
  if (flags.length > 0 || variable === undefined) return flags.map(parseWindow);
  return variable.text.split(",").map((text) => parseWindow({ text, name: variable.name }));
}

/** What a variable says that is true or false; true when it says nothing. @throws {UsageError} */
export function readEnabled(given: Given | undefined): boolean {
  if (given === undefined) return true;
  const word = given.text.toLowerCase();
  if (word !== "true" && word !== "false") throw refused(given, "true or false");
  return word === "true";
}

function parseWindow(given: Given): ScheduleWindow {
  const match = WINDOW.exec(given.text.trim());
  if (match === null) throw refused(given, 'hours and a rate like "08:00-18:00=500K" or "22:00-06:00=2M/0"');
  const [, fromHour, fromMinute, toHour, toMinute, up = "", down] = match;
  return {
    fromMinute: Number(fromHour) * 60 + Number(fromMinute),
    toMinute: (Number(toHour) * 60 + Number(toMinute)) % MINUTES_OF_DAY,
    up: rateOf(given, up),
    down: down === undefined ? "usual" : rateOf(given, down),
  };
}

function rateOf(given: Given, text: string): number | undefined {
  return parseSize({ text, name: given.name }) || undefined;
}

const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24(?=:00)):([0-5]\d)=([^/]+)(?:\/([^/]+))?$/;
const MINUTES_OF_DAY = 1440;
