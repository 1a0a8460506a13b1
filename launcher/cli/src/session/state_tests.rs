//! Stories of a session, told to the state machine.

use gobag_engine::accel::Accelerator;

use super::*;

fn io_error(no_space: bool) -> Input {
    Input::Guest(Event::Paused {
        reason: PauseReason::IoError {
            disk: "system".to_owned(),
            operation: "write".to_owned(),
            no_space,
        },
    })
}

fn exited() -> Input {
    Input::Guest(Event::Exited {
        exit: Exit {
            success: true,
            status: "exit status: 0".to_owned(),
            stderr: String::new(),
        },
    })
}

/// A guest that runs, and the time at which it does.
fn running() -> (State, Instant) {
    let (mut state, now) = (State::new(Kind::Machine), Instant::now());
    let started = Event::Started {
        accelerator: Accelerator::Kvm,
        pid: 1,
    };
    assert_eq!(
        state.on(Input::Guest(started), now),
        [Action::Tell(Message::Starting(Accelerator::Kvm))]
    );
    let life = Event::SignOfLife {
        after: Duration::from_secs(1),
    };
    assert_eq!(
        state.on(Input::Guest(life), now),
        [Action::Tell(Message::Running)]
    );
    assert_eq!(state.phase(), Phase::Running);
    (state, now)
}

#[test]
fn a_guest_that_shuts_down_by_itself_needs_nothing() {
    let (mut state, now) = running();
    let event = Event::ShuttingDown { by_guest: true };
    assert_eq!(
        state.on(Input::Guest(event), now),
        [Action::Tell(Message::GuestShutsDown)]
    );
    assert_eq!(state.deadline(), None);
    state.on(exited(), now);
    assert_eq!(state.phase(), Phase::Over);
    assert!(state.exit().is_some_and(|exit| exit.success));
    assert!(
        state.on(Input::Signal(Signal::Interrupt), now).is_empty(),
        "too late to matter"
    );
}

#[test]
fn every_wish_presses_the_button_then_quits_then_kills() {
    for (wish, patience) in [
        (Input::Signal(Signal::Interrupt), POWER_DOWN),
        (Input::Signal(Signal::Terminate), POWER_DOWN_HURRIED),
        (Input::Signal(Signal::HangUp), POWER_DOWN_HURRIED),
        (Input::Stop { now: false }, POWER_DOWN),
    ] {
        let (mut state, now) = running();
        let actions = state.on(wish, now);
        assert_eq!(actions, [Action::Tell(Message::ShuttingDown), Action::PowerDown]);
        assert_eq!(state.deadline(), Some(now + patience));

        assert!(
            state.on(Input::Time, now + patience / 2).is_empty(),
            "still patient"
        );
        let later = now + patience;
        let actions = state.on(Input::Time, later);
        assert!(actions.contains(&Action::Tell(Message::TookTooLong)) && actions.contains(&Action::Quit));

        let actions = state.on(Input::Time, later + QUIT);
        assert_eq!(actions, [Action::Kill]);
        assert_eq!(state.deadline(), None, "nothing is stronger");
    }
}

#[test]
fn the_second_ctrl_c_does_not_wait_and_the_third_changes_nothing() {
    let (mut state, now) = running();
    state.on(Input::Signal(Signal::Interrupt), now);
    let actions = state.on(Input::Signal(Signal::Interrupt), now);
    assert!(actions.contains(&Action::Quit));
    assert!(state.on(Input::Signal(Signal::Interrupt), now).is_empty());
    assert_eq!(
        state.deadline(),
        Some(now + QUIT),
        "the third does not postpone the kill"
    );
}

#[test]
fn stop_now_quits_at_once() {
    let (mut state, now) = running();
    assert!(state.on(Input::Stop { now: true }, now).contains(&Action::Quit));
}

#[test]
fn a_pulled_stick_is_searched_and_the_guest_goes_on() {
    let (mut state, now) = running();
    state.on(Input::Trouble("volume.medium"), now);
    let actions = state.on(io_error(false), now);
    assert_eq!(actions, [Action::Tell(Message::StickGone), Action::Search]);
    assert_eq!(state.phase(), Phase::StickGone);
    assert_eq!(state.deadline(), None, "it waits as long as it takes");

    let path = PathBuf::from("/media/other");
    let actions = state.on(Input::StickBack(path.clone()), now);
    assert_eq!(
        actions,
        [Action::Tell(Message::StickBack { path }), Action::Continue]
    );
    state.on(Input::Guest(Event::Resumed), now);
    assert_eq!(state.phase(), Phase::Running);
}

#[test]
fn a_loose_contact_is_told_once_in_a_while() {
    let (mut state, now) = running();
    state.on(io_error(false), now);
    state.on(Input::StickBack("/s".into()), now);
    let soon = now + Duration::from_secs(1);
    assert_eq!(state.on(io_error(false), soon), [Action::Search]);
    assert_eq!(state.on(Input::StickBack("/s".into()), soon), [Action::Continue]);
    let later = soon + SAME_TROUBLE;
    assert!(
        state
            .on(io_error(false), later)
            .contains(&Action::Tell(Message::StickGone))
    );
}

#[test]
fn a_stick_pulled_again_at_once_is_told_when_it_stays_away() {
    let (mut state, now) = running();
    state.on(io_error(false), now);
    state.on(Input::StickBack("/s".into()), now);
    let again = now + SAME_TROUBLE / 2;
    assert_eq!(state.on(io_error(false), again), [Action::Search]);
    let until = state.deadline().expect("it is told after a while");
    assert_eq!(state.on(Input::Time, until), [Action::Tell(Message::StickGone)]);
    assert_eq!(state.deadline(), None, "and once");
    let back = Message::StickBack { path: "/s".into() };
    assert_eq!(
        state.on(Input::StickBack("/s".into()), until)[0],
        Action::Tell(back)
    );
}

#[test]
fn a_stick_that_was_changed_elsewhere_does_not_let_the_guest_go_on() {
    let (mut state, now) = running();
    state.on(io_error(false), now);
    let actions = state.on(Input::StickChanged("/s".into()), now);
    assert_eq!(
        actions,
        [Action::Tell(Message::StickChanged { path: "/s".into() })]
    );
    assert_eq!(state.phase(), Phase::StickGone);
}

#[test]
fn asked_to_end_without_the_stick_it_ends_properly_when_the_stick_is_back() {
    let (mut state, now) = running();
    state.on(io_error(false), now);
    let actions = state.on(Input::Signal(Signal::Interrupt), now);
    assert_eq!(actions, [Action::Tell(Message::StopWithoutStick)]);
    let back = now + Duration::from_secs(60);
    let actions = state.on(Input::StickBack("/s".into()), back);
    assert!(
        actions.ends_with(&[Action::Continue, Action::PowerDown]),
        "{actions:?}"
    );
    assert_eq!(state.deadline(), Some(back + POWER_DOWN));
}

#[test]
fn asked_twice_without_the_stick_it_is_switched_off() {
    let (mut state, now) = running();
    state.on(io_error(false), now);
    state.on(Input::Signal(Signal::Interrupt), now);
    let actions = state.on(Input::Signal(Signal::Interrupt), now);
    assert!(actions.contains(&Action::Quit) && actions.contains(&Action::EndSearch));
}

#[test]
fn a_full_or_damaged_stick_is_not_searched_for_and_ends_without_waiting() {
    for (trouble, no_space, phase, message) in [
        ("volume.full", true, Phase::Full, Message::Full),
        ("volume.damaged", false, Phase::Damaged, Message::Damaged),
    ] {
        let (mut state, now) = running();
        state.on(Input::Trouble(trouble), now);
        assert_eq!(state.on(io_error(no_space), now), [Action::Tell(message)]);
        assert_eq!(state.phase(), phase);
        assert!(
            state
                .on(Input::Signal(Signal::Interrupt), now)
                .contains(&Action::Quit)
        );
    }
}

#[test]
fn old_damage_does_not_explain_a_new_pull() {
    let (mut state, now) = running();
    state.on(Input::Trouble("volume.damaged"), now);
    state.on(io_error(false), now);
    state.on(Input::Guest(Event::Resumed), now);
    assert!(state.on(io_error(false), now).contains(&Action::Search));
}

#[test]
fn programs_wait_for_the_stick_as_soon_as_a_volume_reports() {
    let (mut state, now) = (State::new(Kind::Programs), Instant::now());
    assert_eq!(state.phase(), Phase::Running);
    let actions = state.on(Input::Trouble("volume.medium"), now);
    assert_eq!(actions, [Action::Tell(Message::StickGone), Action::Search]);
    assert!(
        state.on(Input::Trouble("volume.medium"), now).is_empty(),
        "every request reports"
    );
    let actions = state.on(Input::StickBack("/s".into()), now);
    assert!(actions.ends_with(&[Action::Continue]));
    assert_eq!(state.phase(), Phase::Running);
}

#[test]
fn programs_that_meet_a_full_stick_are_told_once_in_a_while() {
    let (mut state, now) = (State::new(Kind::Programs), Instant::now());
    assert_eq!(
        state.on(Input::Trouble("volume.full"), now),
        [Action::Tell(Message::FullInUse)]
    );
    assert!(state.on(Input::Trouble("volume.full"), now).is_empty());
    let later = now + SAME_TROUBLE;
    assert_eq!(
        state.on(Input::Trouble("volume.full"), later),
        [Action::Tell(Message::FullInUse)]
    );
    assert_eq!(
        state.on(Input::Stop { now: false }, later)[0],
        Action::Tell(Message::Ending)
    );
}
