import { RecentEnds } from './recent-ends.ts';
import type { SessionEvent, SessionJournal } from './session-journal.ts';

/** What events are noted to while the audit log is off: ends of sessions go on, all others do not. */
export class EndsJournal implements SessionJournal {
  readonly #journal: SessionJournal;

  constructor(journal: SessionJournal) {
    this.#journal = journal;
  }

  note(event: SessionEvent): void {
    if (RecentEnds.takes(event)) this.#journal.note(event);
  }
}
