// Package sunset is the domain: the values and rules of removing unused IAM users in stages. It does no I/O, knows no
// AWS client and has no clock of its own: facts and times are handed in, verdicts and refusals come out.
//
//   - A Cleanup is one look at one account, one execution. Its Plan lists every user with a Verdict.
//   - A Credential is a way in; an Artifact is anything that DeleteUser wants gone first.
//   - Evidence is one fact about use; a Reference is something that names the user.
//   - A Case is one eligible user's way to its end, claimed by UserId. A Snapshot is what puts the user back.
//   - A Quarantine is how the user was disabled; a Signal is anything heard from it in the Soak.
//   - A Decision is an approver's word on one case, bound to a Digest of the facts shown.
//   - An Outcome is what became of a discovered user.
//
// One rule runs through all of it: what isn't known keeps the user.
package sunset
