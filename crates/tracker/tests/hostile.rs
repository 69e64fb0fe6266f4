//! Malicious requests against a tracker on SQLite.
#![cfg(target_os = "linux")]

mod attacks;
mod process;

/// A file in the folder of each test.
const DATABASE: &str = "sqlite:jobs.db";

#[test]
fn large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others() {
    attacks::large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others(DATABASE);
}

#[test]
fn nobody_registers_without_the_join_key_and_nothing_shows_it() {
    attacks::nobody_registers_without_the_join_key_and_nothing_shows_it(DATABASE);
}

#[test]
fn clients_that_do_not_read_or_do_not_end_neither_fill_the_memory_nor_hold_up_others() {
    attacks::clients_that_do_not_read_or_do_not_end_neither_fill_the_memory_nor_hold_up_others(
        DATABASE,
    );
}
