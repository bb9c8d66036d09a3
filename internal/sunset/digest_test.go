package sunset_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type material struct {
	snap    sunset.Snapshot
	refs    []sunset.Reference
	signals []sunset.Signal
	final   sunset.Final
}

func (m material) facts() sunset.Facts { return sunset.FactsOf(m.snap, m.refs, m.signals, m.final) }

func shown() material {
	return material{
		snap: sunset.Snapshot{CaseID: "c", Taken: ago(day), User: idleUser(), SpareMFA: []string{"arn:aws:iam::1:mfa/a", "arn:aws:iam::1:mfa/b"}},
		refs: []sunset.Reference{{Service: "s3", Resource: "b1", Weight: sunset.Informing}, {Service: "kms", Resource: "k1", Weight: sunset.Informing}},
		signals: []sunset.Signal{
			{Kind: sunset.DeniedCall, About: "GetObject", At: ago(2 * time.Hour), Detail: "it tried"},
			{Kind: sunset.DenyMissing, At: ago(time.Hour), Detail: "gone"},
		},
		final: sunset.FinalDelete,
	}
}

func TestDigestMovesOnlyWithTheFacts(t *testing.T) {
	east := time.FixedZone("east", 3600)
	for _, row := range []struct {
		name  string
		alter func(*material)
		same  bool
	}{
		{"nothing", func(*material) {}, true},
		{"read later", func(m *material) { m.snap.Taken = now; m.signals[1].At = now }, true},
		{"read in another order", func(m *material) {
			slices.Reverse(m.refs)
			slices.Reverse(m.signals)
			slices.Reverse(m.snap.User.Groups)
			slices.Reverse(m.snap.User.Credentials)
			slices.Reverse(m.snap.SpareMFA)
		}, true},
		{"read twice", func(m *material) { m.refs = append(m.refs, m.refs...); m.signals = append(m.signals, m.signals...) }, true},
		{"in other words", func(m *material) { m.refs[0].Detail, m.signals[0].Detail = "x", "y" }, true},
		{"in another zone", func(m *material) {
			m.snap.User.Created, m.signals[0].At = m.snap.User.Created.In(east), m.signals[0].At.In(east)
		}, true},

		{"UserId", func(m *material) { m.snap.User.ID = "x" }, false},
		{"creation", func(m *material) { m.snap.User.Created = now }, false},
		{"name", func(m *material) { m.snap.User.Name = "x" }, false},
		{"a credential's status", func(m *material) { m.snap.User.Credentials[1].Status = sunset.Inactive }, false},
		{"a credential's id", func(m *material) { m.snap.User.Credentials[1].ID = "x" }, false},
		{"a credential less", func(m *material) { m.snap.User.Credentials = m.snap.User.Credentials[1:] }, false},
		{"a group", func(m *material) { m.snap.User.Groups[0] = "x" }, false},
		{"an inline policy", func(m *material) { m.snap.User.Inline = nil }, false},
		{"an attached policy", func(m *material) { m.snap.User.Attached = nil }, false},
		{"a device", func(m *material) { m.snap.User.MFA = nil }, false},
		{"a spare device", func(m *material) { m.snap.SpareMFA = nil }, false},
		{"a reference", func(m *material) { m.refs = m.refs[:1] }, false},
		{"its weight", func(m *material) { m.refs[0].Weight = sunset.Blocking }, false},
		{"its resource", func(m *material) { m.refs[0].Resource = "b2" }, false},
		{"a signal", func(m *material) { m.signals = m.signals[:1] }, false},
		{"when it was tried", func(m *material) { m.signals[0].At = ago(time.Hour) }, false},
		{"the end", func(m *material) { m.final = sunset.FinalRetain }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := shown()
			row.alter(&m)
			require.Equal(t, row.same, shown().facts().Digest() == m.facts().Digest())
		})
	}
}

func TestDigestSurvivesTheStore(t *testing.T) {
	f := shown().facts()
	b, err := json.Marshal(f)
	require.NoError(t, err)
	var back sunset.Facts
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, f.Digest(), back.Digest())
}
