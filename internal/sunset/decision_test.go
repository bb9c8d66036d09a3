package sunset_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	ann  = "ann@example.com"
	bob  = "bob@example.com"
	cleo = "cleo@example.com"
)

func TestTally(t *testing.T) {
	d, k, again := sunset.ChooseDelete, sunset.ChooseKeep, sunset.ChooseSoakAgain
	type said struct {
		who    string
		choice sunset.Choice
	}
	for _, row := range []struct {
		name      string
		needed    int
		disturbed bool
		said      []said
		want      sunset.Choice
	}{
		{"nobody", 1, false, nil, ""},
		{"nobody, and none needed", 0, false, nil, ""},
		{"one of one", 1, false, []said{{ann, d}}, d},
		{"one of two", 2, false, []said{{ann, d}}, ""},
		{"one twice", 2, false, []said{{ann, d}, {"ANN@example.com", d}}, ""},
		{"two of two", 2, false, []said{{ann, d}, {bob, d}}, d},
		{"keep wins", 1, false, []said{{ann, d}, {bob, d}, {cleo, k}}, k},
		{"keep before soak again", 1, false, []said{{ann, again}, {bob, k}}, k},
		{"soak again before delete", 1, false, []said{{ann, d}, {bob, again}}, again},
		{"a stranger", 1, false, []said{{"eve@example.com", d}}, ""},
		{"disturbed", 1, true, []said{{ann, d}, {bob, d}}, ""},
		{"disturbed, and again", 1, true, []said{{ann, d}, {bob, again}}, again},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s := deletable().Request, settings()
			r.Needed, r.Disturbed, s.ApprovalsNeeded = row.needed, row.disturbed, row.needed
			var all []sunset.Decision
			for _, x := range row.said {
				all = append(all, decide(r, x.who, x.choice))
			}
			require.Equal(t, row.want, sunset.Tally(r, all, s))
		})
	}
	require.Empty(t, sunset.Tally(sunset.ApprovalRequest{}, []sunset.Decision{{Approver: ann, Choice: d}}, settings()), "no request at all")
}

func TestBarred(t *testing.T) {
	const subject = "arn:aws:iam::111122223333:user/ci/old-ci"
	for _, row := range []struct{ name, email, starter, subject, want string }{
		{"free", ann, bob, subject, ""},
		{"free, whatever the case", "ANN@example.com", bob, subject, ""},
		{"not on the list", "eve@example.com", bob, subject, "not an approver"},
		{"starter by address", ann, "Ann@example.com", subject, "started"},
		{"starter as a user", ann, "arn:aws:iam::111122223333:user/people/ann", subject, "started"},
		{"starter by a session of the role, whose ARN has no path", bob, "arn:aws:sts::111122223333:assumed-role/Security/bob", subject, "started"},
		{"starter by a session called by the address", cleo, "arn:aws:sts::111122223333:assumed-role/Other/Cleo@example.com", subject, "started"},
		{"the role of another account", bob, "arn:aws:sts::999900001111:assumed-role/Security/bob", subject, ""},
		{"subject", ann, bob, "arn:aws:iam::111122223333:user/people/ann", "subject"},
		{"subject who was moved to another path", ann, bob, "arn:aws:iam::111122223333:user/leavers/ann", "subject"},
		{"a user of another account", ann, bob, "arn:aws:iam::999900001111:user/people/ann", ""},
		{"subject called by the address", cleo, bob, "arn:aws:iam::111122223333:user/cleo@example.com", "subject"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := sunset.Barred(settings(), row.email, row.starter, row.subject)
			if row.want == "" {
				require.Empty(t, got)
			}
			require.Contains(t, got, row.want)
		})
	}
}

func TestCheckDecision(t *testing.T) {
	type (
		request  = sunset.ApprovalRequest
		decision = sunset.Decision
	)
	for _, row := range []struct {
		name   string
		breaks func(*request, *decision)
		kind   sunset.Kind // empty: taken
	}{
		{"fine", func(*request, *decision) {}, ""},
		{"a thousand letters", func(_ *request, d *decision) { d.Reason = strings.Repeat("ü", 1000) }, ""},
		{"superseded", func(r *request, _ *decision) { r.State = sunset.RequestSuperseded }, sunset.Conflict},
		{"expired", func(r *request, _ *decision) { r.State = sunset.RequestExpired }, sunset.Conflict},
		{"over now", func(r *request, _ *decision) { r.Expires = now }, sunset.Conflict},
		{"without an end", func(r *request, _ *decision) { r.Expires = time.Time{} }, sunset.Conflict},
		{"decided", func(r *request, _ *decision) { r.State = sunset.RequestDecided }, sunset.Conflict},
		{"no state", func(r *request, _ *decision) { r.State = "" }, sunset.Conflict},
		{"other facts", func(_ *request, d *decision) { d.Digest = "x" }, sunset.Conflict},
		{"no choice", func(_ *request, d *decision) { d.Choice = "" }, sunset.Invalid},
		{"delete what was disturbed", func(r *request, _ *decision) { r.Disturbed = true }, sunset.Invalid},
		{"no reason", func(_ *request, d *decision) { d.Reason = " \n" }, sunset.Invalid},
		{"a long reason", func(_ *request, d *decision) { d.Reason = strings.Repeat("ü", 1001) }, sunset.Invalid},
		{"a stranger", func(_ *request, d *decision) { d.Approver = "eve@example.com" }, sunset.AccessDenied},
		{"the starter", func(r *request, _ *decision) { r.Starter = ann }, sunset.AccessDenied},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := deletable().Request
			r.State = sunset.RequestOpen
			d := decide(r, ann, sunset.ChooseDelete)
			row.breaks(&r, &d)
			err := sunset.CheckDecision(r, d, settings(), now)
			if row.kind == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Equal(t, row.kind, sunset.KindOf(err))
		})
	}
}
