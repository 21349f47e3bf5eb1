//! Scripted answers: rules that say at which step, for whom and for how often a sink misbehaves.
//!
//! Pure: a sink asks at every step and does what it is told. Rules are tried in the order they were
//! given; the first that applies decides, and a rule with a count runs out.

use std::time::Duration;

/// One scripted answer. `S` are the sink's steps, `A` what it can do at one.
#[derive(Debug, Clone)]
pub struct Rule<S, A> {
    step: S,
    recipient: Option<String>,
    skip: u32,
    times: Option<u32>,
    delay: Duration,
    act: Option<A>,
}

impl<S, A> Rule<S, A> {
    /// A rule for every time that `step` is reached. By itself it changes nothing.
    #[must_use]
    pub fn at(step: S) -> Self {
        Self { step, recipient: None, skip: 0, times: None, delay: Duration::ZERO, act: None }
    }

    /// Only for this recipient's address (exact, ignoring case).
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        self.recipient = Some(address.to_owned());
        self
    }

    /// Lets the first `count` times pass that would have matched.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Applies at most `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Waits this long before anything is answered.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Does this instead of the usual answer.
    #[must_use]
    pub fn act(mut self, act: A) -> Self {
        self.act = Some(act);
        self
    }
}

/// What a sink shall do at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision<A> {
    /// Wait this long first.
    pub delay: Duration,
    /// Then do this, or what is usual.
    pub act: Option<A>,
}

/// The rules of a sink and how often each has applied.
#[derive(Debug)]
pub struct Plan<S, A> {
    rules: Vec<Rule<S, A>>,
}

impl<S, A> Default for Plan<S, A> {
    fn default() -> Self {
        Self { rules: Vec::new() }
    }
}

impl<S: PartialEq, A: Clone> Plan<S, A> {
    /// Adds a rule behind the others.
    pub fn add(&mut self, rule: Rule<S, A>) {
        self.rules.push(rule);
    }

    /// Forgets every rule: from now on the sink behaves.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// What to do at `step`, reached with these recipients so far.
    pub fn decide(&mut self, step: &S, recipients: &[String]) -> Decision<A> {
        for rule in &mut self.rules {
            let is_meant = rule.step == *step
                && rule.times != Some(0)
                && rule
                    .recipient
                    .as_ref()
                    .is_none_or(|wanted| recipients.iter().any(|recipient| recipient.eq_ignore_ascii_case(wanted)));
            if !is_meant {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return Decision { delay: rule.delay, act: rule.act.clone() };
        }
        Decision { delay: Duration::ZERO, act: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(plan: &mut Plan<&'static str, u8>, step: &'static str, recipients: &[&str]) -> Option<u8> {
        let recipients: Vec<String> = recipients.iter().map(|&text| text.to_owned()).collect();
        plan.decide(&step, &recipients).act
    }

    #[test]
    fn a_rule_applies_to_the_nth_command_and_runs_out() {
        let mut plan = Plan::default();
        plan.add(Rule::at("rcpt").skip(1).times(2).act(9));
        let seen: Vec<_> = (0..5).map(|_| act(&mut plan, "rcpt", &["a@example.com"])).collect();
        assert_eq!(seen, [None, Some(9), Some(9), None, None]);
    }

    #[test]
    fn a_rule_for_one_recipient_spares_the_others_and_other_steps() {
        let mut plan = Plan::default();
        plan.add(Rule::at("rcpt").to("Bad@example.com").act(1));
        assert_eq!(act(&mut plan, "rcpt", &["good@example.com"]), None);
        assert_eq!(act(&mut plan, "mail", &["bad@example.com"]), None);
        assert_eq!(act(&mut plan, "rcpt", &["good@example.com", "bad@EXAMPLE.com"]), Some(1));
    }

    #[test]
    fn the_first_rule_that_applies_decides_and_clearing_ends_them_all() {
        let mut plan = Plan::default();
        plan.add(Rule::at("data").times(1).delay(Duration::from_millis(7)));
        plan.add(Rule::at("data").act(2));
        assert_eq!(plan.decide(&"data", &[]), Decision { delay: Duration::from_millis(7), act: None });
        assert_eq!(act(&mut plan, "data", &[]), Some(2));
        plan.clear();
        assert_eq!(act(&mut plan, "data", &[]), None);
    }
}
