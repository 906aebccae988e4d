//! Users who page through lists and count them, held against the obvious: all that the tab knows and the store holds, sorted.

use crate::climate::pick;
use crate::disk::{Move, TabRef};
use crate::model::{End, Held, broken, settled};
use crate::tabs::Tab;
use crate::users::Asked;
use crate::world::{Event, World};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Cache, Entry, Input, Page, Query};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::overlay::Interval;
use uplink_cache::tags::Shelf;
use uplink_cache::task::{Order, Status, Tag, Task};

/// Where a key stands in a list, and the key.
type Spot = (Option<Order>, String);

/// A user who pages through a list.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    query: Query,
    limit: usize,
    cursor: Option<String>,
    /// The last entry of the page before.
    last: Option<Spot>,
    /// What was shown, and where it stood then, as far as that is known.
    seen: BTreeSet<Spot>,
    /// Where everything stood at the last page.
    spots: BTreeMap<String, Spot>,
    /// The step of the world in which the page was asked for.
    asked: u64,
    /// The cursor is of another list.
    is_astray: bool,
}

/// What submissions say of themselves: odd names and values too.
pub(crate) fn tags(rng: &mut fastrand::Rng) -> Vec<Tag> {
    let mut tags = Vec::new();
    if rng.u8(..3) > 0 {
        tags.push(("thread".into(), rng.u8(..2).to_string()));
    }
    if rng.u8(..4) == 0 {
        tags.push(("\0\u{1f600}".into(), String::new()));
    }
    tags
}

impl World {
    fn draw_query(&mut self) -> Query {
        if self.rng.bool() {
            return Query::Keys(Interval {
                prefix: pick(&mut self.rng, &["entry/", "", "entry/1", "0x"]).to_string(),
                after: None,
                reverse: self.rng.bool(),
            });
        }
        let tags = [
            ("thread", "0"),
            ("thread", "0"),
            ("thread", "1"),
            ("\0\u{1f600}", ""),
            ("none", ""),
        ];
        let (name, value) = *pick(&mut self.rng, &tags);
        shelf((name.into(), value.into()), self.rng.bool())
    }

    /// Somebody begins to page through a list, or counts it.
    pub(crate) fn list(&mut self, tab: usize) -> Held {
        let query = self.draw_query();
        let at = self.at_tab(tab);
        if self.rng.u8(..4) == 0 {
            return self.count_list(at, query);
        }
        let limit = *pick(&mut self.rng, &[1, 1, 2, 3, 50]);
        self.page(at, Walk::new(query, limit))
    }

    fn count_list(&mut self, at: TabRef, query: Query) -> Held {
        let ask = self.ask(at.tab, Asked::Count(query.clone(), self.steps));
        self.input(at, Input::Count(ask, query))
    }

    /// The next page.
    pub(crate) fn page(&mut self, at: TabRef, mut walk: Walk) -> Held {
        if !self.is_alive(at) {
            return Ok(());
        }
        walk.asked = self.steps;
        let (query, limit) = (walk.query.clone(), walk.limit);
        let cursor = walk.cursor.clone();
        walk.is_astray = cursor.is_some() && self.rng.u8(..20) == 0;
        let query = if walk.is_astray { turned(query) } else { query };
        let ask = self.ask(at.tab, Asked::List(Box::new(walk)));
        self.input(at, Input::List(ask, query, cursor, limit))
    }

    /// At the end every list is read in every tab.
    pub(crate) fn read_lists(&mut self, tab: usize) -> Held {
        let at = self.at_tab(tab);
        for value in ["0", "1"] {
            let query = shelf(("thread".into(), value.into()), value == "0");
            self.count_list(at, query.clone())?;
            self.page(at, Walk::new(query, 1_000))?;
        }
        let all = Query::Keys(Interval {
            prefix: String::new(),
            after: None,
            reverse: false,
        });
        self.count_list(at, all.clone())?;
        self.page(at, Walk::new(all, 1_000))
    }

    pub(crate) fn list_failed(&self, walk: &Walk, error: &Error) -> Held {
        match error.code {
            ErrorCode::InvalidInput if walk.is_astray => Ok(()),
            ErrorCode::StorageFailed | ErrorCode::StorageUnavailable => Ok(()),
            _ => broken(0, format!("{walk:?} is answered by {error}")),
        }
    }

    /// A page has all that stands there, in order, and nothing else.
    pub(crate) fn listed(&mut self, at: TabRef, mut walk: Walk, page: &Page) -> Held {
        if walk.is_astray {
            return broken(0, format!("a cursor of another list was taken: {walk:?}"));
        }
        let spots = self.list_of(&self.tabs[at.tab], &walk.query);
        let excused = self.excused(at, walk.asked);
        let is_beyond = |spot: &&Spot| match (&walk.last, is_backwards(&walk.query)) {
            (None, _) => true,
            (Some(last), true) => *spot < last,
            (Some(last), false) => *spot > last,
        };
        let due = spots.iter().filter(is_beyond);
        let due: Vec<&String> = due
            .map(|(_, key)| key)
            .filter(|key| !excused.contains(*key))
            .collect();
        let keys = page.entries.iter().map(|entry| &entry.key);
        let keys: Vec<&String> = keys.filter(|key| !excused.contains(*key)).collect();
        let is_full = page.cursor.is_none() || page.entries.len() == walk.limit;
        let is_whole = page.cursor.is_some() || keys.len() == due.len();
        if !is_full || !is_whole || !due.starts_with(&keys) {
            return broken(
                4,
                format!("a page of {:?} has {keys:?}, there is {due:?}", walk.query),
            );
        }
        self.check_steady(&walk, &spots, page)?;
        self.check_page(at, &walk.query, page)?;
        let Some(cursor) = &page.cursor else {
            self.count("(a list was read to its end)");
            return Ok(());
        };
        let last = page.entries.last().map(|entry| entry.key.clone());
        for entry in &page.entries {
            let spot = spots.iter().find(|(_, key)| *key == entry.key);
            let unknown = || (None, entry.key.clone());
            walk.seen.insert(spot.cloned().unwrap_or_else(unknown));
        }
        walk.last = spots
            .iter()
            .find(|(_, key)| Some(key) == last.as_ref())
            .filter(|(_, key)| !self.model.evicted_keys.contains(key))
            .cloned();
        walk.spots = spots
            .into_iter()
            .map(|spot| (spot.1.clone(), spot))
            .collect();
        walk.cursor = Some(cursor.clone());
        // It was evicted meanwhile: nobody knows where it stood. And while the log is folded for the first time a key's first write
        // may come after later ones: no page of an app gets as far before the tab is open.
        if walk.last.is_none() || !self.tabs[at.tab].is_open {
            return Ok(());
        }
        let delay_ms = self.rng.u64(0..2_000);
        self.after(delay_ms, Event::Page(at, Box::new(walk)));
        Ok(())
    }

    /// What stood somewhere stands there still, and is not shown again.
    fn check_steady(&self, walk: &Walk, spots: &[Spot], page: &Page) -> Held {
        let may_move = |key: &String| self.may_move(key);
        for spot in spots {
            let before = walk.spots.get(&spot.1);
            let came_anew = before.is_some_and(|before| self.came_anew(before));
            if before.is_some_and(|before| before != spot) && !may_move(&spot.1) && !came_anew {
                return broken(
                    4,
                    format!("{before:?} of {:?} moved to {spot:?}", walk.query),
                );
            }
        }
        let was_seen = |entry: &&Entry| {
            let mut seen = walk.seen.iter();
            let is_new = |spot: &Spot| spot.0.is_some() && self.came_anew(spot);
            seen.any(|spot| spot.1 == entry.key && !is_new(spot))
        };
        let twice = page.entries.iter().find(was_seen);
        match twice.filter(|entry| !may_move(&entry.key)) {
            Some(entry) => broken(4, format!("{:?} shows {} twice", walk.query, entry.key)),
            None => Ok(()),
        }
    }

    fn check_page(&mut self, at: TabRef, query: &Query, page: &Page) -> Held {
        for entry in &page.entries {
            let fact = entry.task.and_then(|id| self.model.facts.get(&id));
            let is_piled = self.model.rows.keys.contains(&entry.key);
            let is_true = is_piled || fact.is_none_or(|fact| fact.submission.tags == entry.tags);
            let is_in = match query {
                Query::Keys(interval) => interval.contains(&entry.key),
                Query::Tagged(shelf) => entry.tags.contains(&shelf.tag),
            };
            if !is_true || !is_in {
                return broken(0, format!("{query:?} shows {entry:?}"));
            }
            // What a list shows does not stay at hand, so that `peek` may know less than it did.
            let shown = self.tabs[at.tab].shown.get(&entry.key).copied();
            self.check_pile(at, entry)?;
            self.check_entry(at, entry)?;
            if let Some(shown) = shown {
                self.tabs[at.tab].shown.insert(entry.key.clone(), shown);
            } else {
                self.tabs[at.tab].shown.remove(&entry.key);
            }
        }
        Ok(())
    }

    pub(crate) fn counted(&self, at: TabRef, query: &Query, asked: u64, count: u64) -> Held {
        let spots = self.list_of(&self.tabs[at.tab], query);
        let excused = self.excused(at, asked);
        let sure = spots.iter().filter(|(_, key)| !excused.contains(key));
        let least = sure.count() as u64;
        if (least..=least + excused.len() as u64).contains(&count) {
            return Ok(());
        }
        broken(4, format!("{query:?} has {spots:?}, counted are {count}"))
    }

    /// What was evicted may still be shown. And of what the store got, a tab that is behind may hear late: it has at hand what
    /// the store held before.
    fn excused(&self, at: TabRef, asked: u64) -> BTreeSet<String> {
        let mut excused = self.model.evicted_keys.clone();
        // Of what is lost nothing can be shown.
        let facts = self.model.facts.values();
        let lost = facts.filter(|fact| fact.may_lack_parts());
        excused.extend(lost.map(|fact| fact.submission.key.clone()));
        let cache = self.tabs[at.tab].cache.as_ref();
        let is_current = cache.is_some_and(|cache| {
            cache.log().position() == self.disk.last_key() && !cache.is_restarting()
        });
        if !is_current {
            let position = cache.map_or(0, |cache| cache.log().position());
            let is_late = |moved: &Move| moved.step >= asked || moved.said > position;
            let late = self.disk.moved.iter().filter(|(_, moved)| is_late(moved));
            excused.extend(late.map(|(key, _)| key.clone()));
        }
        excused
    }

    /// The app, or the rot of the disk, may take a key's first write away.
    fn may_move(&self, key: &String) -> bool {
        let facts = self.model.facts.values();
        let mut own = facts.filter(|fact| fact.submission.key == *key);
        self.model.evicted_keys.contains(key)
            || own.any(|fact| fact.is_hurt || matches!(fact.end, End::Discarded | End::Damaged))
    }

    /// What stood there was discarded, and a file brought it in again since: it stands where it came in.
    fn came_anew(&self, (order, key): &Spot) -> bool {
        let mut own = self.model.facts.values();
        !own.any(|fact| fact.submission.key == *key && Some(fact.order) == *order)
    }

    /// The list as a tab must show it, in its direction.
    fn list_of(&self, tab: &Tab, query: &Query) -> Vec<Spot> {
        let Some(cache) = &tab.cache else {
            return Vec::new();
        };
        let keys: BTreeSet<&String> = self
            .users
            .keys
            .iter()
            .chain(self.disk.values.keys())
            .collect();
        let mut list: Vec<Spot> = keys
            .into_iter()
            .filter_map(|key| self.spot(tab, cache, key, query))
            .collect();
        list.sort();
        if is_backwards(query) {
            list.reverse();
        }
        list
    }

    fn spot(&self, tab: &Tab, cache: &Cache, key: &String, query: &Query) -> Option<Spot> {
        let row = self.disk.values.get(key).and_then(|bytes| settled(bytes));
        let own = |task: &&Task| task.submission.key == *key;
        let finals = cache.tasks().filter(own).filter_map(|task| {
            let found = task.state.inclusion()?;
            let place = (found.block.number, found.index);
            let is_final = task.state.status() == Status::Final;
            is_final.then_some((place, &task.submission.tags))
        });
        let below = row.as_ref().map(|row| {
            let found = &row.inclusion;
            ((found.block.number, found.index), &row.tags)
        });
        let open = self.expected(tab, key).map(|task| &task.submission.tags);
        let piled = self.tags_of_pile(tab, key);
        // Of two that stand at one place of the chain, one is the other.
        let plain = || {
            open.or_else(|| {
                finals
                    .chain(below)
                    .max_by_key(|(place, _)| *place)
                    .map(|(_, tags)| tags)
            })
        };
        let tags = match &piled {
            Some(tags) => tags.as_ref(),
            None => plain(),
        }?;
        match query {
            Query::Keys(interval) => interval.contains(key).then(|| (None, key.clone())),
            Query::Tagged(shelf) => {
                let orders = cache.tasks().filter(own).map(|task| task.order);
                let born = orders.chain(row.as_ref().and_then(|row| row.born)).min();
                tags.contains(&shelf.tag).then(|| (born, key.clone()))
            }
        }
    }
}

impl Walk {
    fn new(query: Query, limit: usize) -> Self {
        Walk {
            query,
            limit,
            cursor: None,
            last: None,
            seen: BTreeSet::new(),
            spots: BTreeMap::new(),
            asked: 0,
            is_astray: false,
        }
    }
}

fn shelf(tag: Tag, newest: bool) -> Query {
    Query::Tagged(Shelf {
        tag,
        after: None,
        newest,
    })
}

fn is_backwards(query: &Query) -> bool {
    match query {
        Query::Keys(interval) => interval.reverse,
        Query::Tagged(shelf) => shelf.newest,
    }
}

/// The same list from its other end.
fn turned(query: Query) -> Query {
    match query {
        Query::Keys(interval) => Query::Keys(Interval {
            reverse: !interval.reverse,
            ..interval
        }),
        Query::Tagged(shelf) => Query::Tagged(Shelf {
            newest: !shelf.newest,
            ..shelf
        }),
    }
}
