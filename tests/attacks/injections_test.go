package attacks

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/planreport"
)

// nasty is a reason that wants to be markup, a header, a line of the log, an end of the page and something read backwards.
const nasty = "ok</blockquote></textarea><x-attack onerror=alert(1)>\" x-attack='1' \r\nSet-Cookie: x-attack=1\r\nBcc: x-attack@evil.example\r\n" +
	"time=2026-01-01T00:00:00Z level=ERROR msg=x-attack\n=HYPERLINK(\"x-attack\")\n{{.}} ${x-attack} $(x-attack) `x-attack`\u202etxt.exe\u2028\u0000\u001b[2J end"

var (
	// values are those of attributes, in which anything may stand but a quotation mark.
	values    = regexp.MustCompile(`="[^"]*"`)
	markup    = regexp.MustCompile(`(?i)<[^>]*x-attack|<script|<img|<iframe|javascript:|<[^>]*\son\w+=`)
	directing = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\u0000\u001b"
)

// plainPage holds that a page has nothing of what people typed as markup, and nothing that turns its letters round.
func (t *trial) plainPage(what, page string) {
	bare := values.ReplaceAllString(page, `=""`)
	t.must(!markup.MatchString(bare), "%s has markup that somebody typed: %q", what, markup.FindString(bare))
	i := strings.IndexAny(page, directing)
	t.must(i < 0, "%s has characters that direct others: %q", what, page[max(i-40, 0):min(max(i, 0)+20, len(page))])
}

// archive is the evidence as auditors read it.
func (t *trial) archive() *dossier.Archive {
	a, err := dossier.Read(t.t.Context(), t.store.Objects())
	if err != nil {
		t.t.Fatalf("reading the evidence: %v", err)
	}
	return a
}

// injections are attacks by names, tags, paths and reasons.
func injections() []attack {
	var reasoned, kept string
	names := func(f func(t *trial, name string)) func(*trial) {
		return func(t *trial) {
			for name := range hostile() {
				f(t, name)
			}
		}
	}
	return []attack{
		{name: "markup, headers and directions in names, tags and paths on the pages", has: userRights, try: func(t *trial) {
			link := t.linkOf(ada, "")
			t.plainPage("the inbox", t.get(link+"?show=all").body)
			names(func(t *trial, name string) {
				t.plainPage("the case of "+name, t.get(t.at(link, name)).body)
				t.plainPage("the API", t.get(t.api.URL+"/v1/requests?case="+t.caseOf(name).ID).body)
			})(t)
			path, _ := t.board.Invite(olgaARN)
			t.dropped = append(t.dropped, secretOf(path))
			a := t.post(t.machine.EngineURL+path, url.Values{})
			in := header("Cookie", strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0])
			t.dropped = append(t.dropped, strings.SplitN(strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0], "=", 2)[1])
			for _, p := range []string{"", "cases/open", "cases/needs", "cases/signals", "cleanup/" + cleanup} {
				t.plainPage("the dashboard's "+p, t.get(t.machine.EngineURL+"/dashboard/"+p, in).body)
			}
			names(func(t *trial, name string) {
				t.plainPage("the dashboard's case of "+name, t.get(t.machine.EngineURL+"/dashboard/case/"+t.caseOf(name).ID, in).body)
			})(t)
		}},
		{name: "markup and headers in what is looked for", has: aLink, try: func(t *trial) {
			link := t.linkOf(ada, "")
			for _, q := range []string{nasty, `"><x-attack>`, "{{.}}", strings.Repeat("a", 5000), "\xff\xfe", "%00", "' OR 1=1 --"} {
				for _, query := range []url.Values{{"q": {q}}, {"show": {q}, "class": {q}, "sort": {q}, "from": {q}, "done": {q}}} {
					a := t.get(link + "?" + query.Encode())
					t.plainPage("the inbox", a.body)
					t.refused(a, 200, 400)
				}
				t.plainPage("the owner's page", t.get(t.linkOf(maria, target)+"?"+url.Values{"done": {q}}.Encode()).body)
				t.plainPage("the review", t.post(link+"/review", url.Values{"digest." + q: {q}, "choice." + q: {"delete"}, "reason": {q}}).body)
				t.plainPage("a wrong form", t.post(t.linkOf(maria, target), url.Values{"act": {"hand-over"}, "to": {q}, "reason": {q}}).body)
			}
		}},
		{name: "markup, headers and lines of the log in reasons", has: aLink, try: func(t *trial) {
			reasoned, kept = t.next(), t.next()
			link := t.linkOf(ada, "")
			t.refused(t.post(t.at(link, reasoned), url.Values{"choice": {"keep"}, "reason": {nasty}, "digest": {t.asked(reasoned).Digest}}), 303)
			t.refused(t.post(t.linkOf(maria, kept), url.Values{"act": {"keep"}, "reason": {nasty}}), 303)
			for _, at := range []string{link + "?show=all", t.at(link, reasoned), t.at(link, reasoned) + "/receipt", t.linkOf(maria, kept), t.at(t.linkOf(ben, ""), reasoned)} {
				t.plainPage(at, t.get(at).body)
			}
			a := t.get(t.at(link, reasoned) + "/receipt.txt")
			t.must(strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") && strings.HasPrefix(a.header.Get("Content-Disposition"), `attachment; filename="iam-sunset-receipt-`), "the receipt is %v", a.header)
			t.must(a.header.Get("Set-Cookie") == "" && !strings.ContainsAny(a.body, directing), "the receipt has what was typed as it was typed")
			for line := range strings.Lines(a.body) {
				t.must(!strings.HasPrefix(line, "Bcc:") && !strings.HasPrefix(line, "Set-Cookie:") && !strings.HasPrefix(line, "time="), "a line of the receipt is somebody's own: %q", line)
			}
		}, end: func(t *trial) {
			stays(&reasoned)(t)
			stays(&kept)(t)
		}},
		{name: "formulas in the sheet", has: userRights, try: func(t *trial) {
			p, err := t.machine.Plan(t.t.Context(), cleanup)
			t.must(err == nil, "reading the plan: %v", err)
			var b bytes.Buffer
			t.must(planreport.WriteCSV(&b, p) == nil, "no sheet")
			for _, comma := range []rune{',', ';', '\t'} {
				r := csv.NewReader(bytes.NewReader(b.Bytes()))
				r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
				rows, err := r.ReadAll()
				t.must(err == nil && len(rows) > len(hostile()), "the sheet with %q: %d rows, %v", comma, len(rows), err)
				for _, row := range rows {
					for _, cell := range row {
						first := strings.TrimLeftFunc(strings.Trim(cell, `"`), unicode.IsSpace)
						t.must(first == "" || !strings.ContainsRune("=+-@\t\r", rune(first[0])), "a cell is a formula: %q", cell)
					}
				}
			}
		}},
		{name: "markup in the reports, and ends in findings", has: userRights, try: func(t *trial) {
			p, err := t.machine.Plan(t.t.Context(), cleanup)
			t.must(err == nil, "reading the plan: %v", err)
			var page, findings bytes.Buffer
			t.must(planreport.WriteHTML(&page, p, "test") == nil, "no report")
			t.plainPage("the plan's report", page.String())
			t.must(planreport.WriteOCSF(&findings, p, "test") == nil, "no findings")
			for d := json.NewDecoder(&findings); ; {
				var f any
				if err := d.Decode(&f); err != nil {
					t.must(err == io.EOF, "a finding can't be read: %v", err)
					break
				}
			}
		}, end: func(t *trial) {
			a := t.archive()
			t.must(a.Proof.Holds(), "the evidence does not hold: %v", a.Proof.Problems)
			d, err := a.Cleanup(t.t.Context(), cleanup)
			t.must(err == nil, "no dossier: %v", err)
			var page bytes.Buffer
			t.must(dossier.WriteReport(&page, d, t.clock.Now()) == nil, "no report")
			t.must(strings.Contains(page.String(), "HYPERLINK"), "the report leaves the reason out")
			t.plainPage("the auditor's report", page.String())
			for _, name := range []string{reasoned, kept} {
				d, elsewhere, err := a.User(t.t.Context(), name)
				t.must(err == nil, "no dossier of %s: %v", name, err)
				why := dossier.Why(d, elsewhere)
				t.must(!strings.ContainsAny(why, directing), "why %s: %q", name, why)
			}
		}},
		{name: "commands and expressions in what makes a user again", has: userRights, try: func(*trial) {}, end: func(t *trial) {
			a := t.archive()
			names(func(t *trial, name string) {
				d, _, err := a.User(t.t.Context(), t.users[name].ID)
				t.must(err == nil, "no dossier of %s: %v", name, err)
				kit, err := dossier.KitOf(d)
				t.must(err == nil, "no kit of %s: %v", name, err)
				t.must(!regexp.MustCompile(`[^$]\$\{x[-}]`).MatchString(kit.Terraform), "Terraform would work out what %s says", name)
				for line := range strings.Lines(kit.Script) {
					// Outside of single quotes nothing that a shell obeys is left.
					bare := regexp.MustCompile(`'[^']*'`).ReplaceAllString(line, "")
					t.must(!strings.Contains(bare, "$(x-attack)") && !strings.Contains(bare, "`id`"), "a shell would run what %s says: %s", name, line)
				}
			})(t)
		}},
		{name: "headers and recipients in messages", has: userRights, try: func(*trial) {}, end: func(t *trial) {
			files, err := filepath.Glob(filepath.Join(t.dir, "outbox", "*.eml"))
			t.must(err == nil && len(files) > 20, "%d messages were written, %v", len(files), err)
			for _, file := range files {
				f, err := os.Open(file)
				if err != nil {
					t.must(false, "opening %s: %v", file, err)
					continue
				}
				m, err := mail.ReadMessage(f)
				_ = f.Close() // it was read
				if err != nil {
					t.must(false, "%s is no message: %v", file, err)
					continue
				}
				for name, values := range m.Header {
					t.must(len(values) == 1, "%s stands there %d times", name, len(values))
				}
				to, err := m.Header.AddressList("To")
				t.must(err == nil && len(to) == 1 && strings.HasSuffix(to[0].Address, "@meadowlark.example"), "it goes to %v, %v", to, err)
				t.must(m.Header.Get("Bcc") == "" && m.Header.Get("Cc") == "" && m.Header.Get("Set-Cookie") == "", "its headers are %v", m.Header)
			}
			for _, m := range t.mail {
				t.must(!strings.ContainsAny(m.Subject, directing+"\r\n"), "a subject has more than one line: %q", m.Subject)
				t.must(!strings.ContainsAny(m.Text, directing), "a message has characters that direct others: %q", m.Subject)
			}
		}},
		{name: "lines of the log that somebody else wrote", has: userRights, try: func(*trial) {}, end: func(t *trial) {
			lines := 0
			for line := range strings.Lines(t.log.String()) {
				lines++
				t.must(strings.HasPrefix(line, "time=2"), "a line of the log is somebody's own: %.200q", line)
				t.must(!strings.HasPrefix(line, "time=2026-01-01T00:00:00Z"), "a line of the log is somebody's own: %.200q", line)
			}
			t.must(lines > 0 && !strings.ContainsAny(t.log.String(), directing), "the log has characters that direct others")
		}},
	}
}

// linkIn is where a message leads, or nothing.
func linkIn(m approval.Message) string {
	if m.Link == "" {
		return ""
	}
	return secretOf(m.Link)
}
