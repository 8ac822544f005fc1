use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{Inherited, enter, inherited};

#[test]
fn a_scope_is_entered_and_left() {
    let now = Instant::now();
    let outer = Inherited::new(Some(now));
    let inner = Inherited::new(Some(now + Duration::from_secs(1)));
    assert_eq!(inherited(), Inherited::default());
    {
        let _outer = enter(outer);
        assert_eq!(inherited(), outer);
        {
            let _inner = enter(inner);
            assert_eq!(inherited(), inner);
            let _none = enter(Inherited::default());
            assert_eq!(inherited(), Inherited::default(), "a call without a deadline has none");
        }
        assert_eq!(inherited(), outer);
    }
    assert_eq!(inherited(), Inherited::default());
}

#[test]
fn a_panic_leaves_the_scope() {
    let outer = Inherited::new(Some(Instant::now()));
    let _outer = enter(outer);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _inner = enter(Inherited::default());
        // Without the hook, which would print.
        std::panic::resume_unwind(Box::new("a handler panicked"));
    }));
    assert!(panicked.is_err());
    assert_eq!(inherited(), outer);
}

#[test]
fn a_scope_is_of_its_thread() {
    let _scope = enter(Inherited::new(Some(Instant::now())));
    let other = std::thread::spawn(inherited).join().expect("the thread did not panic");
    assert_eq!(other, Inherited::default());
}
