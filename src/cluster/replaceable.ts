// Whether whoever started this process follows it to another one. Where the end of this process is the end of the service, a successor
// would be killed, or a second daemon started beside it.
export interface Origin {
  readonly pid: number;
  /** Whether systemd hears us (NotifyAccess). */
  readonly notifies: boolean;
  /** Whether systemd started this very process. */
  readonly isUnit: boolean;
  /** The name of process 1; '' where nobody knows. */
  readonly init: string;
}

/** They end with the process that they have started, and their container with them. */
const CONTAINER_INITS = new Set(['tini', 'docker-init', 'dumb-init', 'catatonit', 'pause']);

/** Null, or why there can be no successor. */
export function irreplaceable({ pid, notifies, isUnit, init }: Origin): string | null {
  if (notifies) return null;
  if (pid === 1 || CONTAINER_INITS.has(init)) {
    return 'a container ends with the process that it was started with: start a new container beside it instead (a rolling update)';
  }
  if (isUnit)
    return 'systemd would take the end of this process for the end of the service: the unit needs Type=notify and NotifyAccess=all';
  return null;
}
