package fakecloud

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Table is how a table behaves. Its partition key is the string kind, its sort key the string key.
type Table struct {
	// PageSize is the most items that a query looks at in one page; 0 leaves only the limit of 1 MB.
	PageSize int

	items map[string]map[string]Item // by kind and key
}

// Item is what a table holds under one key. Values are {"S": text} or {"N": number}.
type Item map[string]map[string]string

const (
	maxItem = 400 << 10
	maxPage = 1 << 20
)

// CreateTable makes a table, or gives the one of that name other settings and keeps its items.
func (c *Cloud) CreateTable(name string, t Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.items = map[string]map[string]Item{}
	if old := c.tables[name]; old != nil {
		t.items = old.items
	}
	c.tables[name] = &t
}

// Items are all items of a table, by kind and key.
func (c *Cloud) Items(table string) []Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables[table]
	var all []Item
	for _, kind := range slices.Sorted(maps.Keys(t.items)) {
		for _, key := range slices.Sorted(maps.Keys(t.items[kind])) {
			all = append(all, maps.Clone(t.items[kind][key]))
		}
	}
	return all
}

// SetItem writes an item past all conditions.
func (c *Cloud) SetItem(table string, item Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tables[table].set(item)
}

func (t *Table) get(kind, key string) Item { return t.items[kind][key] }

func (t *Table) set(item Item) {
	kind := item["kind"]["S"]
	if t.items[kind] == nil {
		t.items[kind] = map[string]Item{}
	}
	t.items[kind][item["key"]["S"]] = item
}

type dynamoRequest struct {
	TableName                           string
	Item                                Item `json:",omitempty"`
	Key                                 Item `json:",omitempty"`
	ConditionExpression                 string
	KeyConditionExpression              string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           Item
	ReturnValuesOnConditionCheckFailure string
	ConsistentRead                      bool
	ExclusiveStartKey                   Item
	Limit                               *int
}

func invalid(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "ValidationException", format, args...)
}

func (c *Cloud) dynamodb(r *request) (operation, *refusal) {
	name := operationName(r.http)
	var do func(*Table, *dynamoRequest, *expression) (answer, *refusal)
	switch name {
	case "PutItem":
		do = putItem
	case "GetItem":
		do = getItem
	case "Query":
		do = query
	default:
		return operation{}, refuse(http.StatusBadRequest, "UnknownOperationException", "the fake cloud's dynamodb has no operation %s", name)
	}
	on := operation{action: "dynamodb:" + name}
	var in dynamoRequest
	if refused := decode(r.body, &in); refused != nil {
		return on, refused
	}
	table := in.TableName[strings.LastIndexByte(in.TableName, '/')+1:]
	on.resource = c.arn("dynamodb", "table/"+table)
	e, refused := in.expression()
	if refused != nil {
		return on, refused
	}
	switch name {
	case "PutItem":
		on.leadingKey = in.Item["kind"]["S"]
	case "GetItem":
		on.leadingKey = in.Key["kind"]["S"]
	case "Query":
		on.leadingKey = e.equals["S"]
	}
	t := c.tables[table]
	if t == nil || r.region != c.config.Region {
		return on, refuse(http.StatusBadRequest, "ResourceNotFoundException", "Requested resource not found")
	}
	on.do = func(*request) (answer, *refusal) { return do(t, &in, e) }
	return on, nil
}

// expression is one of the forms that the table knows, with its placeholders filled in.
type expression struct {
	absent     string // attribute_not_exists(#n)
	is         string // #n = :v
	equals     map[string]string
	begins     string // begins_with(#m, :w)
	beginsWith map[string]string
}

var expressions = []*regexp.Regexp{
	regexp.MustCompile(`^attribute_not_exists ?\((#\w+)\)$`),
	regexp.MustCompile(`^(#\w+) = (:\w+)$`),
	regexp.MustCompile(`^(#\w+) = (:\w+) AND begins_with ?\((#\w+), ?(:\w+)\)$`),
}

// expression reads the request's condition. Placeholders that are missing or unused are refused, as DynamoDB does.
func (in *dynamoRequest) expression() (*expression, *refusal) {
	text := in.ConditionExpression + in.KeyConditionExpression
	if in.ConditionExpression != "" && in.KeyConditionExpression != "" {
		return nil, invalid("the fake cloud knows one condition a request")
	}
	var parts []string
	for _, form := range expressions {
		if m := form.FindStringSubmatch(text); m != nil {
			parts = m[1:]
		}
	}
	if text != "" && parts == nil {
		return nil, invalid("the fake cloud doesn't know the expression %q", text)
	}
	names, values := maps.Clone(in.ExpressionAttributeNames), maps.Clone(in.ExpressionAttributeValues)
	var found []string
	var given []map[string]string
	for _, p := range parts {
		if p[0] == '#' {
			name, ok := in.ExpressionAttributeNames[p]
			if !ok {
				return nil, invalid("Invalid expression: An expression attribute name used in the document path is not defined; attribute name: %s", p)
			}
			found = append(found, name)
			delete(names, p)
			continue
		}
		value, ok := in.ExpressionAttributeValues[p]
		if !ok {
			return nil, invalid("Invalid expression: An expression attribute value used in expression is not defined; attribute value: %s", p)
		}
		given = append(given, value)
		delete(values, p)
	}
	if len(names) > 0 {
		return nil, invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	if len(values) > 0 {
		return nil, invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	e := &expression{}
	switch len(parts) {
	case 1:
		e.absent = found[0]
	case 2:
		e.is, e.equals = found[0], given[0]
	case 4:
		e.is, e.equals, e.begins, e.beginsWith = found[0], given[0], found[1], given[1]
	}
	return e, nil
}
