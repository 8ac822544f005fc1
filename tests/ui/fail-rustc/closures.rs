//! What a closure that is to be a method must be: each mistake says how to write it.

use std::{cell::Cell, rc::Rc};

use rpc::{Context, Methods};

struct Job;

fn without_a_tuple(methods: &Methods) {
    let _ = methods.register("a", |a: i64, b: i64| a + b);
    let _ = methods.register("b", |a: i64| a);
    let _ = methods.register("c", || 1);
}

fn without_types(methods: &Methods) {
    let _ = methods.register("d", |(a, b)| 1);
}

fn borrowed_arguments(methods: &Methods) {
    let _ = methods.register("e", |(name,): (&str,)| name.len());
}

fn an_argument_that_cannot_cross_the_network(methods: &Methods) {
    let _ = methods.register("f", |(_job,): (Job,)| 1);
}

fn a_result_that_cannot_cross_the_network(methods: &Methods) {
    let _ = methods.register("g", |(): ()| Job);
    let _ = methods.register("h", |(): ()| async { Job });
}

fn an_error_that_cannot_cross_the_network(methods: &Methods) {
    let _ = methods.register("i", |(): ()| std::fs::read("x"));
}

fn the_context_first(methods: &Methods) {
    let _ = methods.register("j", |ctx: &Context, (): ()| ctx.attempt());
}

fn a_future_that_borrows_the_context(methods: &Methods) {
    let _ = methods.register("k", |(): (), ctx: &Context| async move { ctx.attempt() });
}

fn a_future_that_stays_on_its_thread(methods: &Methods) {
    let _ = methods.register("l", |(): ()| async {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        *shared
    });
}

fn a_closure_that_changes_what_it_captures(methods: &Methods) {
    let mut count = 0;
    let _ = methods.register("m", move |(): ()| {
        count += 1;
        count
    });
}

fn a_closure_that_is_not_shared(methods: &Methods) {
    let cell = Cell::new(1);
    let _ = methods.register("n", move |(): ()| cell.get());
}

fn a_closure_that_borrows(methods: &Methods) {
    let text = String::new();
    let _ = methods.register("o", |(): ()| text.len());
}

fn nine_arguments(methods: &Methods) {
    let _ = methods.register("p", |_: (u8, u8, u8, u8, u8, u8, u8, u8, u8)| 1);
}

fn main() {}
