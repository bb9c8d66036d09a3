//go:build emulators

package emulators

import "testing"

// asAccounts has the product's adapters work on both emulators.
func asAccounts(t *testing.T, m *moto, n *ministack) {
	for _, e := range []emulated{
		{
			name: "moto", url: m.url, key: motoAccount, hardware: true,
			lacks: []string{"ListServiceSpecificCredentials"}, fails: map[string]bool{"ListServiceSpecificCredentials": true},
		},
		{
			name: "ministack", url: n.url, key: "222233334444", regions: true,
			lacks: []string{"ListServiceSpecificCredentials", "ListSSHPublicKeys", "ListSigningCertificates"},
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Run("what it lacks is unknown", func(t *testing.T) { unknowns(t, e) })
			t.Run("what names a user is found", func(t *testing.T) { named(t, e) })
			t.Run("users go and come back", func(t *testing.T) { asAccount(t, e) })
		})
	}
}

func TestMoto(t *testing.T) {
	asAccounts(t, startMoto(t, ""), startMinistack(t))
}
