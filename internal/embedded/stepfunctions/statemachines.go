package stepfunctions

type machineRequest struct {
	StateMachineArn string
	ExecutionArn    string
	ResourceArn     string
	MaxResults      int
	NextToken       string
}

func (e *Engine) machine(definition string) map[string]any {
	return map[string]any{
		"stateMachineArn": e.StateMachineARN(), "name": e.cfg.Name, "roleArn": e.roleARN(),
		"definition": e.definitions[definition].Source(),
	}
}

func (e *Engine) describeStateMachine(in machineRequest) (any, error) {
	if err := e.ownMachine(in.StateMachineArn); err != nil {
		return nil, err
	}
	m := e.machine(e.current)
	m["status"], m["type"], m["creationDate"] = "ACTIVE", "STANDARD", stamp(e.created)
	m["description"] = e.cfg.Definition.Comment()
	return m, nil
}

func (e *Engine) describeStateMachineForExecution(in machineRequest) (any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	m := e.machine(x.definition)
	m["updateDate"] = stamp(e.created)
	return m, nil
}

func (e *Engine) listStateMachines(in machineRequest) (any, error) {
	if _, _, err := cursor(1, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return map[string]any{"stateMachines": []any{map[string]any{
		"stateMachineArn": e.StateMachineARN(), "name": e.cfg.Name, "type": "STANDARD", "creationDate": stamp(e.created),
	}}}, nil
}

func (e *Engine) listStateMachineVersions(in machineRequest) (any, error) {
	return map[string]any{"stateMachineVersions": []any{}}, e.ownMachine(in.StateMachineArn)
}

func (e *Engine) listStateMachineAliases(in machineRequest) (any, error) {
	return map[string]any{"stateMachineAliases": []any{}}, e.ownMachine(in.StateMachineArn)
}

func (e *Engine) listTagsForResource(in machineRequest) (any, error) {
	return map[string]any{"tags": []any{}}, e.ownMachine(in.ResourceArn)
}
