// Bugs that scripts/mutants.mjs plants in the core: in a copy of it, never in src/.
//
// `from` is what the file says, between «» what the bug puts something else in the place of (all of it without them). It
// must be there exactly once, in the function `fn` where one is named: else this list is not true any more, and the script
// says so. Spaces and line ends count as one. What ends with a semicolon is a statement, all else an expression.
// `promises`: by which of them the simulator may find it.

/** @type {{ name: string, breaks: string, promises: number[], file: string, fn?: string, from: string, to: string }[]} */
export const planted = [
  // 1: what is acknowledged is durable.
  {
    name: "AckOnSubmit",
    breaks: "A submission is acknowledged when its commit is only asked for.",
    promises: [1],
    file: "src/cache.rs",
    fn: "submit",
    from: "self.log.append(Record::Submitted(submission), Some(ask))",
    to: `
      let id = submission.id;
      self.log.append(Record::Submitted(submission), None);
      self.done(ask, Ok(Done::Task(id)))`,
  },
  {
    name: "FailedIsCommitted",
    breaks: "A commit that failed counts as complete.",
    promises: [1, 2],
    file: "src/cache.rs",
    fn: "commit_failed",
    from: "self.storage_failed(error.clone());",
    to: `
      drop(error);
      let last = self.log.position() + 1;
      return self.committed(id, last);`,
  },
  {
    name: "UnheardRecordsLost",
    breaks: "Records that no caller waits for are not tried again after a failed commit.",
    promises: [1, 10],
    file: "src/log.rs",
    fn: "failed",
    from: "self.queue_bytes += entry.len(); self.queue.push_front(entry);",
    to: `
      if entry.ask.is_some() {
          self.queue_bytes += entry.len();
          self.queue.push_front(entry);
      }`,
  },
  {
    name: "SecondCommitInFlight",
    breaks: "A commit begins while another is in flight, which is forgotten.",
    promises: [1, 10],
    file: "src/log.rs",
    fn: "next_commit",
    from: "«self.in_flight.is_some()» || self.queue.is_empty()",
    to: "false",
  },
  {
    name: "GapFolded",
    breaks: "An own append is folded before what other tabs appended below it.",
    promises: [1],
    file: "src/log.rs",
    fn: "has_gap",
    from: "next.is_some_and(|(key, _)| *key > self.position + 1 && *key > self.covered)",
    to: "false",
  },
  {
    name: "DamageTakesNeighbours",
    breaks: "What stands behind a damaged record in its segment is not read.",
    promises: [1],
    file: "src/record.rs",
    fn: "read",
    from: "let skipped = «skip(&bytes[at..])»;",
    to: "bytes.len() - at",
  },
  {
    name: "RenewForgotten",
    breaks: "A leader that finds a torn end does not make the browser begin new files.",
    promises: [1],
    file: "src/cache.rs",
    fn: "caught_up",
    from: "if «!self.ends_closed» {",
    to: "false",
  },
  {
    name: "IdempotencyForgotten",
    breaks: "An idempotency key is not known again.",
    promises: [1],
    file: "src/backup.rs",
    fn: "begin",
    from: "self.by_idempotency_key.insert(key.clone(), id);",
    to: "",
  },
  // 2: only what is backed up is sent or signed.
  {
    name: "SentBeforeTheLogSaysSo",
    breaks: "A send does not wait for the record that says that it begins.",
    promises: [2],
    file: "src/cache/sending.rs",
    fn: "pump_prepared",
    from: "turn.iter().all(is_exposed)",
    to: "true",
  },
  {
    name: "AskedBeforeTheLogSaysSo",
    breaks: "A signer is asked before the log says so.",
    promises: [2],
    file: "src/cache/signing.rs",
    fn: "start_signing",
    from: "self.append(id, Event::SignStarted { nonce, from, sends });",
    to: `
      self.append(id, Event::SignStarted { nonce, from, sends });
      self.ask_signer(id, key);`,
  },
  {
    name: "AnyAccountSigns",
    breaks: "What another account signed is taken for the signer's.",
    promises: [2],
    file: "src/cache/signing.rs",
    fn: "saw_signers_account",
    from: "(Some(sender), Some(address)) if «sender == address» =>",
    to: "true",
  },
  {
    name: "WalletAskedAgain",
    breaks: "A wallet that was asked by a tab that died is asked again, although it may have sent.",
    promises: [2, 6],
    file: "src/cache/signing.rs",
    fn: "sync_desk",
    from: "self.stop_draft(id, true, Reason::Unknown, cause.into());",
    to: `
      drop(cause);
      desk.waiting.get_or_default(key).insert(turn);`,
  },
  // 3: the same bytes, the same id.
  {
    name: "OtherBytesOnResend",
    breaks: "A later send has another byte.",
    promises: [3],
    file: "src/cache/sending.rs",
    fn: "send",
    from: "self.request(Purpose::Send(batch), Request::Send(payloads));",
    to: `
      let sent = batch.iter().zip(payloads).map(|((id, _), payload)| {
          let mut bytes = payload.to_vec();
          if uplink.attempts(*id) > 1 && let Some(last) = bytes.last_mut() {
              *last ^= 1;
          }
          Rc::from(bytes)
      });
      let sent = sent.collect();
      self.request(Purpose::Send(batch), Request::Send(sent));`,
  },
  {
    name: "WrongId",
    breaks: "The transaction id that is stored is not the payload's.",
    promises: [3],
    file: "src/cache.rs",
    fn: "check_payload",
    from: "let tx = «Hash(parsed.id)»;",
    to: "{ let mut id = parsed.id; id[0] ^= 1; Hash(id) }",
  },
  {
    name: "IdForgotten",
    breaks: "A transaction that is submitted again is not known again.",
    promises: [1, 3],
    file: "src/backup.rs",
    fn: "begin",
    from: "self.by_tx.insert(tx, id);",
    to: "",
  },
  // 4: every tab sees its own writes, and soon those of others.
  {
    name: "SecondWriteNotIndexed",
    breaks: "A write of a key that another task writes is not found by its key.",
    promises: [4],
    file: "src/overlay.rs",
    fn: "insert",
    from: "tasks.insert((order, id));",
    to: "",
  },
  {
    name: "OlderWriteForgotten",
    breaks: "Once a newer write of a key failed, the one before it is not found any more.",
    promises: [4],
    file: "src/overlay.rs",
    fn: "insert",
    from: "tasks.insert((order, id));",
    to: "tasks.clear(); tasks.insert((order, id));",
  },
  {
    name: "FailedStaysShown",
    breaks: "Reads still get the value of what failed.",
    promises: [4],
    file: "src/task.rs",
    fn: "is_visible",
    from: "State::Displaced(_) | State::Failed { .. } => «false»,",
    to: "true",
  },
  {
    name: "RevertedShown",
    breaks: "Reads get the value of what was executed without effect.",
    promises: [4],
    file: "src/task.rs",
    fn: "is_visible",
    from: "!inclusion.reverted",
    to: "true",
  },
  {
    name: "ChangesUntold",
    breaks: "Nobody is told that a key has another value now.",
    promises: [4],
    file: "src/cache.rs",
    fn: "changed",
    from: "self.notice(Notice::Changed(key));",
    to: "",
  },
  {
    name: "NewsIgnored",
    breaks: "A tab that hears of another's write does not look.",
    promises: [4],
    file: "src/cache.rs",
    fn: "news",
    from: "self.must_load |= last_key > self.log.position();",
    to: "",
  },
  {
    name: "WriteMissedByChainRead",
    breaks: "What was submitted while the chain was read is not shown by that read.",
    promises: [4],
    file: "src/cache/reading.rs",
    fn: "finish_read",
    from: "asked == Source::Any",
    to: "false",
  },
  {
    name: "RestartUntold",
    breaks: "What went on while the log was folded anew is not told.",
    promises: [4, 10],
    file: "src/cache.rs",
    fn: "tell_restarted",
    from: "let notice = Notice::Status(Box::new(now.clone()), Some(from)); «self.notice(notice);»",
    to: "drop(notice);",
  },
  // 5: nothing that is not settled is dropped, and nothing that failed.
  {
    name: "BlockedLostByCleaning",
    breaks: "Cleaning does not append blocked tasks anew.",
    promises: [1, 5],
    file: "src/cache/cleaning.rs",
    fn: "plan",
    from: "plan.kept.push(id);",
    to: `
      if !matches!(task.state, State::Blocked { .. }) {
          plan.kept.push(id);
      }`,
  },
  {
    name: "FailedMovedByCleaning",
    breaks: "Cleaning takes failed tasks for settled values.",
    promises: [5],
    file: "src/cache/cleaning.rs",
    fn: "plan",
    from: "plan.kept.push(id);",
    to: `
      if matches!(task.state, State::Failed { .. }) {
          plan.moved.push(id);
      } else {
          plan.kept.push(id);
      }`,
  },
  {
    name: "CleaningMovesTasks",
    breaks: "Cleaning gives what it appends anew a later place among the tasks.",
    promises: [5],
    file: "src/cache/cleaning.rs",
    fn: "clean_now",
    from: "Record::Snapshot(task.clone())",
    to: `
      let mut moved = task.clone();
      moved.order.segment = plan.position;
      Record::Snapshot(moved)`,
  },
  {
    name: "OlderValueMovedOver",
    breaks: "Cleaning writes a settled value over one of a later block.",
    promises: [5, 9],
    file: "src/cache/cleaning.rs",
    fn: "clean_now",
    from: "place(old) <= place(&new)",
    to: "true",
  },
  {
    name: "IgnoredOutlives",
    breaks: "A submission that was ignored outlives the task that it repeats, and becomes one.",
    promises: [1, 5],
    file: "src/backup.rs",
    fn: "fold",
    from: `
        .extend(own.filter_map(|part| part.blob_key(submission.id)));
      «self.last_ignored = Some(at.segment);»`,
    to: "",
  },
  // 6: what is not known is not a failure.
  {
    name: "UnknownIsFailed",
    breaks: "A task whose send had no answer fails.",
    promises: [6],
    file: "src/cache/sending.rs",
    fn: "sent",
    from: "Verdict::Unknown | Verdict::Error => «self.fault(id, retry_after_ms, true)»,",
    to: "self.append(id, Event::Rejected { tx, cause })",
  },
  {
    name: "RefusalIsSure",
    breaks: "A refusal counts although an earlier send may have arrived.",
    promises: [6],
    file: "src/cache/sending.rs",
    fn: "sent",
    from: "Verdict::Never if «self.may_be_out(id)» =>",
    to: "false",
  },
  {
    name: "FirstUrlForgotten",
    breaks: "That a url may have taken it is forgotten when another answers.",
    promises: [6],
    file: "src/gateway/pool.rs",
    fn: "heard",
    from: "job.in_doubt |= «refusal.verdict == Verdict::Unknown»;",
    to: "false",
  },
  {
    name: "UnknownWordsAreNever",
    breaks: "A refusal in words that nobody knows counts for good.",
    promises: [6],
    file: "src/gateway/evm.rs",
    fn: "refused",
    from: "SendReply::Unknown => «Verdict::Unknown»,",
    to: "Verdict::Never",
  },
  {
    name: "RevertMissed",
    breaks: "A receipt's status is not looked at.",
    promises: [6],
    file: "src/gateway/evm.rs",
    fn: "inclusion",
    from: "quantity(status)? == 0",
    to: "false",
  },
  {
    name: "CancelledWhileOut",
    breaks: "What a gateway may have can be cancelled.",
    promises: [6, 7],
    file: "src/task.rs",
    fn: "cancelled",
    from: "Stage::Doubtful | Stage::Exposed => «false»,",
    to: "true",
  },
  {
    name: "WalletsSilenceIsNo",
    breaks: "A wallet that does not answer counts as one that did not send.",
    promises: [6],
    file: "src/cache/signing.rs",
    fn: "signer_failed",
    from: "task.state == State::Signing { sends: true }",
    to: "false",
  },
  {
    name: "ImportBelieved",
    breaks: "What a file says of the chain is believed.",
    promises: [6],
    file: "src/task.rs",
    fn: "imported",
    from: "| State::Final(_) => «on_its_way»,",
    to: "self.clone()",
  },
  // 13, which the simulator alone numbers: a signer is asked once at a time, and each time for a nonce of its own.
  {
    name: "NonceReused",
    breaks: "A nonce is given to a signer that another task holds.",
    promises: [13],
    file: "src/nonces.rs",
    fn: "next",
    from: "while «is_held(next)» {",
    to: "false",
  },
  // 7: a reorg takes a task back, and it comes again.
  {
    name: "NoRecheckAfterReorg",
    breaks: "Tasks stay included in a block that left the chain.",
    promises: [7, 10],
    file: "src/cache/tracking.rs",
    fn: "leave_block",
    from: "self.append(id, Event::Reorged(block));",
    to: "",
  },
  {
    name: "FinalUnverified",
    breaks: "A block counts as final by its height alone.",
    promises: [7],
    file: "src/cache/tracking.rs",
    fn: "finalize",
    from: "(spot.is_sure || follow.is_canonical(block) == Some(true))",
    to: "true",
  },
  {
    name: "NeverLookedForAgain",
    breaks: "What a gateway took once is not looked for any more.",
    promises: [7, 10],
    file: "src/outbox.rs",
    fn: "accepted",
    from: "now_ms + doubled(FIRST_RESEND_MS, entry.looks, MAX_RESEND_MS)",
    to: "u64::MAX / 2",
  },
  // 8: one sender.
  {
    name: "LeadsWithoutTheLock",
    breaks: "A tab leads that was not given the lock.",
    promises: [8],
    file: "src/cache.rs",
    fn: "caught_up",
    from: "if «self.wants_lead» && self.uplink.is_none() && self.log.is_still() {",
    to: "true",
  },
  {
    name: "LeadsOnWithoutTheLock",
    breaks: "A tab that gave the lock up leads on.",
    promises: [8],
    file: "src/cache.rs",
    fn: "leading",
    from: "} else if «self.uplink.is_some()» {",
    to: "false",
  },
  {
    name: "SendsWhatWaited",
    breaks: "A send that waits for a url goes out after the tab lost the lead.",
    promises: [8],
    file: "src/cache/asking.rs",
    fn: "may_send",
    from: "is_open && «self.uplink.is_some()»",
    to: "true",
  },
  // 9: no older reading over a settled value.
  {
    name: "ReadingOverSettled",
    breaks: "An older reading of the chain is kept over a settled value.",
    promises: [9],
    file: "src/memory.rs",
    fn: "put",
    from: "settled > Some(order(&known))",
    to: "false",
  },
  {
    name: "TaskOverLaterValue",
    breaks: "A final task is shown although a later write of its key is settled.",
    promises: [9],
    file: "src/cache/reading.rs",
    fn: "peek",
    from: "!is_older(task, known)",
    to: "true",
  },
  {
    name: "AtHandIsSure",
    breaks: "What leaves the backup is taken for the newest settled value.",
    promises: [9],
    file: "src/cache/cleaning.rs",
    fn: "moved",
    from: "self.memory.peek(key).is_some_and(Known::is_newest)",
    to: "true",
  },
  {
    name: "AtHandAfterRestart",
    breaks: "What is at hand counts as fresh after the log was cleaned under a tab.",
    promises: [9],
    file: "src/cache.rs",
    fn: "restarted",
    from: "self.memory.doubt();",
    to: "",
  },
  {
    name: "WrittenIsEvicted",
    breaks: "A value is evicted whose key a task writes.",
    promises: [9],
    file: "src/cache/evicting.rs",
    fn: "evict",
    from: "self.backup.overlay().writes(&row.key)",
    to: "false",
  },
  {
    name: "AnotherChainAsked",
    breaks: "A gateway on another chain is asked.",
    promises: [9],
    file: "src/gateway/endpoint.rs",
    fn: "is_on_chain",
    from: "if «chain_id == ours» {",
    to: "true",
  },
  {
    name: "SyncingAsked",
    breaks: "A gateway that does not have the chain yet is asked.",
    promises: [9],
    file: "src/gateway/endpoint.rs",
    fn: "is_syncing",
    from: "self.standing = if «is_syncing» {",
    to: "false",
  },
  // 10: everything settles, or shows why not.
  {
    name: "TurnNeverEnds",
    breaks: "A task whose send failed keeps its lane's turn.",
    promises: [7, 10],
    file: "src/outbox.rs",
    fn: "faulted",
    from: "self.end_turn(id);",
    to: "",
  },
  {
    name: "NoncesOutOfOrder",
    breaks: "A lane's tasks go in the order in which they were submitted.",
    promises: [10],
    file: "src/outbox.rs",
    fn: "ready",
    from: "turn: («task.nonce().unwrap_or(0)», task.order, id),",
    to: "0",
  },
  {
    name: "CallerForgotten",
    breaks: "Who waits for a commit that failed is not told.",
    promises: [10],
    file: "src/log.rs",
    fn: "failed",
    from: "Some(ask) if is_alone || !is_quota => «told.push((ask, error.clone()))»,",
    to: "let _ = ask;",
  },
  // 11: bounds.
  {
    name: "UrgentCleaningForgotten",
    breaks: "The log is cleaned in a pause alone.",
    promises: [11],
    file: "src/cache/cleaning.rs",
    fn: "pump_urgent_cleaning",
    from: "self.garbage() > most.saturating_add(most / URGENT_AT)",
    to: "false",
  },
  {
    name: "BackoffUnbounded",
    breaks: "Waits double for ever.",
    promises: [10, 11],
    file: "src/outbox.rs",
    fn: "next_ms",
    from: "let bound = «doubled(FIRST_DELAY_MS, self.tries, MAX_DELAY_MS)»;",
    to: `
      {
          self.tries += 1;
          doubled(FIRST_DELAY_MS, self.tries, u64::MAX / 4)
      }`,
  },
  {
    name: "NoBackoff",
    breaks: "A fault is followed by the next try at once.",
    promises: [11],
    file: "src/outbox.rs",
    fn: "next_ms",
    from: "rng.u64(bound / 2..=bound)",
    to: "1",
  },
  {
    name: "PollIgnoresErrors",
    breaks: "After a look at the head that failed the next one follows at once.",
    promises: [10, 11],
    file: "src/cache/tracking.rs",
    fn: "poll_failed",
    from: "self.now_ms + self.poll.backoff.next_ms(&mut self.rng, hint_ms)",
    to: "self.now_ms + 1",
  },
  {
    name: "PollIntervalIgnored",
    breaks: "One look at the head follows the other at once.",
    promises: [11],
    file: "src/cache/tracking.rs",
    fn: "finish_poll",
    from: "self.next_look_ms()",
    to: "self.now_ms + 1",
  },
  {
    name: "UrlTriedForEver",
    breaks: "A request that a url failed goes to the same url again and again.",
    promises: [11],
    file: "src/gateway/pool.rs",
    fn: "heard",
    from: "job.tried |= 1 << url;",
    to: "",
  },
  {
    name: "HintIgnored",
    breaks: "A gateway that asks for patience is asked again at once.",
    promises: [11],
    file: "src/gateway/endpoint.rs",
    fn: "limited",
    from: "hint_ms.min(MAX_PAUSE_MS)",
    to: "0",
  },
  {
    name: "RequestsUnbounded",
    breaks: "A url has any number of requests under way.",
    promises: [11],
    file: "src/gateway/endpoint.rs",
    fn: "access",
    from: "self.in_flight >= self.limits.max_in_flight",
    to: "false",
  },
  {
    name: "RateUnlimited",
    breaks: "A url is asked any number of times a second.",
    promises: [11],
    file: "src/gateway/endpoint.rs",
    fn: "access",
    from: "missing > 0",
    to: "false",
  },
  // 12: a storage failure is loud.
  {
    name: "ReadErrorIsNothing",
    breaks: "A value that cannot be read is taken for one that is not there.",
    promises: [9, 12],
    file: "src/cache/reading.rs",
    fn: "read_value",
    from: "Err(error) => return «self.done(ask, Err(error))»,",
    to: "drop(error); self.done(ask, Ok(Done::Entry(None)))",
  },
  {
    name: "LoadErrorIsEmpty",
    breaks: "A log that cannot be read is taken for an empty one.",
    promises: [12],
    file: "src/cache.rs",
    fn: "load_failed",
    from: "self.break_off(error);",
    to: "drop(error); self.loaded(0, Vec::new(), false);",
  },
  {
    name: "TroubleUntold",
    breaks: "That a commit failed which no caller waits for is not told.",
    promises: [12],
    file: "src/cache.rs",
    fn: "storage_failed",
    from: "self.notice(Notice::StorageTrouble(error));",
    to: "drop(error);",
  },
  {
    name: "DamageUntold",
    breaks: "That something stored cannot be read is not told.",
    promises: [12],
    file: "src/cache.rs",
    fn: "fold_all",
    from: "self.notice(Notice::Damaged(key, damage.offset));",
    to: "",
  },
  {
    name: "DamageThrownAway",
    breaks: "Cleaning deletes damaged segments without setting them aside.",
    promises: [12],
    file: "src/cache/cleaning.rs",
    fn: "clean_now",
    from: `self
                .damaged()
                .take_while(|key| *key <= plan.through)
                .collect()`,
    to: "Vec::new()",
  },
];
