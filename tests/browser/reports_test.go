//go:build browser

package browser

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// file opens a report as whoever gets it by mail does: from a file.
func (w *world) file(name string, write func(io.Writer) error) *tab {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name+".html")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	require.NoError(w.t, err)
	require.NoError(w.t, write(f))
	require.NoError(w.t, f.Close())
	b := open(w.t)
	b.goes("file://" + path)
	return b
}

// scans looks at the report on the cleanup's plan, as iam-sunset scan --output html writes it.
func (w *world) scans() {
	w.t.Helper()
	row, err := w.machine.Cases.Cleanup(w.t.Context(), cleanup)
	require.NoError(w.t, err)
	body, err := w.machine.Objects.Get(w.t.Context(), row.PlanKey)
	require.NoError(w.t, err)
	var plan sunset.Plan
	require.NoError(w.t, json.Unmarshal(body, &plan))
	b := w.file("scan", func(out io.Writer) error { return planreport.WriteHTML(out, plan, "1.0.0") })
	contains(w.t, b.reads("main"), "123456789012", "temp-contractor")
	b.looks("scan-report", "dark", "narrow")
}

// reports looks at what auditors are handed: of the whole cleanup, and of a user that was deleted.
func (w *world) reports() {
	w.t.Helper()
	archive, err := dossier.Read(w.t.Context(), w.machine.Objects)
	require.NoError(w.t, err)
	whole, err := archive.Cleanup(w.t.Context(), cleanup)
	require.NoError(w.t, err)
	b := w.file("audit", func(out io.Writer) error { return dossier.WriteReport(out, whole, w.clock.Now()) })
	contains(w.t, b.reads("main"), cleanup, "old-jenkins", ada, ben)
	b.looks("audit-report", "dark", "narrow")
	user, _, err := archive.User(w.t.Context(), "old-jenkins")
	require.NoError(w.t, err)
	b = w.file("audit-user", func(out io.Writer) error { return dossier.WriteReport(out, user, w.clock.Now()) })
	contains(w.t, b.reads("main"), "old-jenkins", "Agreed: replaced by deploy-web.")
	b.looks("audit-report-of-a-user")
	b.shows("audit-report-of-a-user", "section.case")
}
