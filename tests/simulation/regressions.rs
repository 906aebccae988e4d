//! Seeds that failed before a fix, by what they found: each fails again when its fix is taken back.
//!
//! They hold as long as worlds are drawn as they are; whoever changes that looks for new ones.

use crate::climate;
use crate::harness::{self, Variant};

#[track_caller]
fn check(seed: u64) {
    check_as(seed, Variant::default());
}

/// The same in a world of this kind.
#[track_caller]
fn check_in(climate: &str, seed: u64) {
    let kind = climate::kind(climate);
    assert!(kind.is_some(), "there is no climate {climate}");
    check_as(seed, Variant { kind, mutant: None });
}

#[track_caller]
fn check_as(seed: u64, variant: Variant) {
    if let Some(violation) = harness::check(seed, variant) {
        panic!(
            "seed {seed} breaks promise {}: {}",
            violation.promise, violation.what
        );
    }
}

#[test]
fn what_was_sent_is_looked_for_although_its_lane_was_emptied() {
    check(1);
}

#[test]
fn a_gateway_on_another_chain_fails_nothing() {
    check(79);
}

#[test]
fn a_failed_task_outlives_cleaning_beside_a_later_one() {
    check(2);
}

#[test]
fn an_ignored_submission_is_no_task_after_cleaning() {
    check(1);
}

#[test]
fn what_is_on_its_way_is_not_blocked_as_if_it_were_not() {
    check(4_853);
}

#[test]
fn a_task_that_becomes_final_late_hides_no_later_write() {
    check(1);
}

#[test]
fn a_tab_that_folds_anew_shows_what_it_showed() {
    check(34);
}

#[test]
fn what_may_be_out_there_stays_so() {
    check(26_224);
}

#[test]
fn an_answer_from_before_a_gap_confirms_nothing() {
    check(2_065);
}

#[test]
fn a_block_above_a_lagging_head_is_compared_when_the_chain_gets_there() {
    check(371);
}

#[test]
fn a_reading_does_not_let_an_older_settled_value_in() {
    check(33_650);
}

#[test]
fn an_own_submission_that_was_cleaned_away_is_answered_by_what_became_of_it() {
    check(8_582);
}

#[test]
fn what_left_the_backup_may_be_older_than_what_is_stored() {
    check(531);
}

#[test]
fn a_log_whose_beginning_was_cleaned_away_during_the_first_look_is_folded_anew() {
    check(6_103);
}

#[test]
fn a_retry_by_who_was_behind_does_not_ask_a_wallet_again() {
    check(29_647);
}

#[test]
fn a_refusal_of_what_was_replaced_meanwhile_blocks_nothing() {
    check(102_267);
    check(125_522);
}

#[test]
fn a_walk_keeps_up_with_blocks_that_come_faster_than_answers() {
    check(34_665);
    check(27_175);
}

#[test]
fn gateways_that_find_nothing_by_sender_are_asked_once() {
    check(105_865);
}

#[test]
fn a_signer_is_not_asked_for_what_the_same_commit_cancels() {
    check(121_466);
    check(188_786);
}

#[test]
fn an_old_task_out_of_a_file_begins_another_life() {
    check(203_392);
    check(208_709);
}

#[test]
fn a_late_refusal_of_what_is_in_doubt_fails_nothing() {
    check(242_949);
}

#[test]
fn a_replacement_that_was_out_for_another_task_before_says_nothing_of_this_one() {
    check(315_946);
}

#[test]
fn users_try_again_when_what_is_in_the_way_may_be_gone() {
    check(268_279);
}

#[test]
fn what_arrives_after_its_task_was_discarded_was_sent_before() {
    check(2_953);
}

#[test]
fn a_value_that_left_the_backup_uncovers_no_older_final_one() {
    check(5_668);
}

#[test]
fn a_file_brings_back_what_was_cancelled_in_an_earlier_life() {
    check(13_875);
}

#[test]
fn what_another_transaction_settled_is_there_also_for_who_asks_the_chain() {
    check(11_134);
}

#[test]
fn what_the_power_took_and_somebody_submitted_anew_is_known_to_a_file() {
    check(17_349);
}

#[test]
fn only_who_leads_calls_an_end_orderly() {
    check(20_750);
}

#[test]
fn a_signer_may_be_asked_before_the_next_commit_is_heard() {
    check(711_559);
}

#[test]
fn what_damage_took_in_an_earlier_life_stays_unknown() {
    check(719_220);
}

#[test]
fn a_fold_that_begins_anew_while_a_tab_opens_doubts_what_is_at_hand() {
    check(913_896);
    check(915_849);
}

#[test]
fn what_settled_while_a_file_was_written_may_be_in_it_without_its_bytes() {
    check(56_325);
}

#[test]
fn a_task_that_was_replaced_again_and_again_fits_in_a_segment() {
    check(1_001_737);
}

#[test]
fn what_replaces_and_is_kept_beside_the_log_has_its_turn_alone() {
    check(24_483);
    check(50_718);
}

#[test]
fn blocks_that_were_walked_at_the_end_of_a_blocks_time_are_asked_for_in_the_next() {
    check(37_605);
}

#[test]
fn nobody_knows_whose_a_transaction_was_once_its_task_is_discarded() {
    check(122_791);
}

#[test]
fn who_slept_may_replace_what_was_cancelled_meanwhile() {
    check(223_350);
}

#[test]
fn while_the_end_of_the_log_is_looked_at_it_is_not_cleaned() {
    check(216_900);
    check(229_659);
}

#[test]
fn of_what_was_made_of_a_draft_its_user_finds_what_a_block_holds() {
    check(439_185);
    check(498_986);
}

#[test]
fn a_submission_that_was_cleaned_away_before_its_fold_is_not_held_against_what_failed_before() {
    check(525_099);
}

#[test]
fn what_a_final_block_outdid_is_not_what_a_user_finds_for_a_draft_that_came_in() {
    check(577_412);
}

#[test]
fn who_leads_anew_waits_for_what_it_wrote_before() {
    check(752_590);
}

#[test]
fn nobody_knows_of_a_value_whose_record_is_damaged() {
    check(789_078);
}

#[test]
fn what_came_while_a_lagging_gateway_was_read_is_what_the_read_gets() {
    check(875_241);
}

#[test]
fn a_draft_that_the_power_took_and_somebody_submitted_anew_is_known_to_a_file() {
    check(895_928);
}

#[test]
fn what_was_evicted_is_so_for_who_slept_also_where_a_file_brings_its_task_back() {
    check(847_052);
}

#[test]
fn who_was_answered_with_a_task_while_its_log_was_folded_anew_twice_hears_of_its_end() {
    check(34_293);
}

#[test]
fn what_updates_made_of_a_key_is_not_followed_by_an_older_write_while_it_is_out_of_sight() {
    check(14_073);
}

#[test]
fn an_update_that_a_tab_has_no_function_for_hides_nothing_below_it() {
    check(11_031);
}

#[test]
fn what_the_store_holds_already_when_the_log_says_so_counts_once() {
    check(2_829);
}

#[test]
fn an_update_stays_while_what_is_below_it_in_the_chain_is_not_final() {
    check(56_509);
}

#[test]
fn what_is_refused_is_not_sent_again_while_the_refusal_is_on_its_way_into_the_log() {
    check(125_049);
}

#[test]
fn a_task_whose_bytes_damage_cost_is_blocked_and_not_tried_for_ever() {
    check(125_244);
}

#[test]
fn a_glance_counts_once_what_two_pages_tell_of() {
    check(53_525);
}

#[test]
fn what_is_final_comes_to_its_end_however_many_wait() {
    check_in("crawl", 117);
}

#[test]
fn what_a_gateway_lost_is_looked_for_however_many_wait() {
    check_in("crawl", 5);
}

#[test]
fn what_a_quorum_must_call_final_comes_to_its_end_however_slow_the_gateways_are() {
    check(715_960);
}

#[test]
fn a_value_that_is_final_is_not_followed_by_an_older_write_in_a_block() {
    check(29);
}

#[test]
fn a_final_update_is_not_hidden_by_the_write_below_it() {
    check(179);
}

#[test]
fn a_reading_leaves_with_its_block_also_where_the_fork_is_below_what_is_known() {
    check(812_642);
    check(819_790);
}

#[test]
fn what_was_discarded_and_came_in_again_while_a_tab_slept_is_new_to_it() {
    check(923_792);
}

#[test]
fn a_reading_that_was_on_its_way_while_a_tab_slept_does_not_stand_for_what_the_store_got_meanwhile()
{
    check(925_303);
}

#[test]
fn what_the_chain_said_before_it_had_what_is_settled_is_no_answer() {
    check(1_006_565);
}

#[test]
fn what_is_settled_in_the_store_alone_is_not_followed_by_an_older_value() {
    check_in("go-dark", 11_701);
}

#[test]
fn the_chain_is_read_for_who_comes_late_as_of_a_head_that_is_new_enough() {
    check(1_123_804);
}

#[test]
fn what_became_final_below_a_write_that_left_is_not_shown_once_an_update_leaves() {
    check(1_174_821);
}

#[test]
fn a_value_that_is_not_at_hand_any_more_is_not_followed_by_an_older_one() {
    check_in("forget", 21);
    check_in("forget", 1_144);
    check(4_085);
}

#[test]
fn a_final_task_is_not_shown_below_a_stored_value_that_is_not_at_hand_any_more() {
    check_in("forget", 3_319);
    check_in("forget", 15_771);
}

#[test]
fn what_was_just_read_and_is_not_at_hand_any_more_is_read_again() {
    check_in("forget", 16_185);
}

#[test]
fn an_older_value_does_not_come_back_by_a_task_that_is_read_last_when_the_log_is_folded_anew() {
    check_in("forget", 25_758);
}

#[test]
fn nothing_is_read_where_a_power_failure_took_the_long_value_of_what_settled() {
    check_in("go-dark", 45_067);
}

#[test]
fn what_updates_made_stays_shown_while_the_store_is_asked_what_lies_below() {
    // A write settles below them; the log is folded anew; another key is the first to be cleaned; one comes onto a settled value.
    check(134);
    check(102);
    check(4_371);
    check(17_428);
    check(32_814);
}
