package sunset_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func member() sunset.MemberAccount {
	const role = "arn:aws:iam::444455556666:role/sunset/iam-sunset-"
	return sunset.MemberAccount{
		ID: "444455556666", ExternalID: "iam-sunset/1",
		Roles: sunset.MemberRoles{Read: role + "read", Change: role + "change", Delete: role + "delete"},
	}
}

func TestMemberAccounts(t *testing.T) {
	for _, row := range []struct {
		name  string
		wrong func(*sunset.MemberAccount)
		field string // of the refusal; empty: none
	}{
		{"right", func(*sunset.MemberAccount) {}, ""},
		{"China", func(m *sunset.MemberAccount) { m.Roles.Read = "arn:aws-cn:iam::444455556666:role/r" }, ""},
		{"the shortest external id", func(m *sunset.MemberAccount) { m.ExternalID = "ab" }, ""},
		{"the longest external id", func(m *sunset.MemberAccount) { m.ExternalID = strings.Repeat("a", 1224) }, ""},
		{"no id", func(m *sunset.MemberAccount) { m.ID = "" }, "accounts[0].id"},
		{"eleven digits", func(m *sunset.MemberAccount) { m.ID = "44445555666" }, "accounts[0].id"},
		{"letters", func(m *sunset.MemberAccount) { m.ID = "44445555666a" }, "accounts[0].id"},
		{"no external id", func(m *sunset.MemberAccount) { m.ExternalID = "" }, "accounts[0].external_id"},
		{"a short external id", func(m *sunset.MemberAccount) { m.ExternalID = "a" }, "accounts[0].external_id"},
		{"a long external id", func(m *sunset.MemberAccount) { m.ExternalID = strings.Repeat("a", 1225) }, "accounts[0].external_id"},
		{"a space in the external id", func(m *sunset.MemberAccount) { m.ExternalID = "a b" }, "accounts[0].external_id"},
		{"no role", func(m *sunset.MemberAccount) { m.Roles.Read = "" }, "accounts[0].roles.read"},
		{"a role's name", func(m *sunset.MemberAccount) { m.Roles.Change = "sunset" }, "accounts[0].roles.change"},
		{"a user", func(m *sunset.MemberAccount) { m.Roles.Change = "arn:aws:iam::444455556666:user/x" }, "accounts[0].roles.change"},
		{"another account's role", func(m *sunset.MemberAccount) { m.Roles.Delete = "arn:aws:iam::777788889999:role/x" }, "accounts[0].roles.delete"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := member()
			row.wrong(&m)
			b, err := json.Marshal(map[string]any{"accounts": []sunset.MemberAccount{m}})
			require.NoError(t, err)
			s, err := sunset.ParseSettings(b)
			if row.field == "" {
				require.NoError(t, err)
				got, ok := s.Member("444455556666")
				require.True(t, ok)
				require.Equal(t, m, got)
				return
			}
			require.ErrorContains(t, err, "settings: "+row.field)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		})
	}
	s := settings()
	s.Accounts = []sunset.MemberAccount{member(), member()}
	require.ErrorContains(t, s.Validate(), "accounts[1].id: account 444455556666 is named twice")
	_, ok := s.Member("")
	require.False(t, ok)
}

func TestEachAccessHasItsRole(t *testing.T) {
	r := member().Roles
	require.Equal(t, r.Read, r.For(sunset.AccessRead))
	require.Equal(t, r.Change, r.For(sunset.AccessChange))
	require.Equal(t, r.Delete, r.For(sunset.AccessDelete))
	require.Empty(t, r.For(""))
	require.Empty(t, r.For("everything"))
}
