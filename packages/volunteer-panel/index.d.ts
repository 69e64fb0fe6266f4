import type { Volunteer, VolunteerLimits, VolunteerStatus } from "distcompute-client";

/** What goes wrong: `code` is stable, and `message` is for the people who run the page. */
export interface PanelError {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  /** The tracker's new address, where the code is `"moved"`. */
  readonly address?: string;
}

/** The events of the element. They do not bubble. */
export interface DistcomputeVolunteerEventMap {
  /** The status has changed. At most ten times a second. */
  status: CustomEvent<VolunteerStatus>;
  /** The volunteer cannot work. Once for each error. */
  error: CustomEvent<PanelError>;
}

/** The element `<distcompute-volunteer>`. */
export class DistcomputeVolunteer extends HTMLElement {
  /**
   * The volunteer. Null until the client is loaded. It is replaced when its nickname or an attribute has
   * changed, so read it each time.
   */
  readonly volunteer: Volunteer | null;
  /** The tracker's address. Reflects the attribute. */
  tracker: string;
  /** The stages, the preferred one first, separated by spaces. Reflects the attribute. */
  stage: string;
  /** The address of the worker script. Reflects the attribute. */
  worker: string;
  /** The sentence for a project that has nothing left to do. Reflects the attribute. */
  finished: string;
  /** The project's limits. */
  limits: VolunteerLimits | undefined;
  /** Starts a worker in place of the attribute `worker`. */
  spawn: (() => Worker) | undefined;
  addEventListener<Type extends keyof DistcomputeVolunteerEventMap>(
    type: Type,
    listener: (event: DistcomputeVolunteerEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** The languages of the panel, as primary language subtags. */
export const languages: readonly string[];

declare global {
  interface HTMLElementTagNameMap {
    "distcompute-volunteer": DistcomputeVolunteer;
  }
}
