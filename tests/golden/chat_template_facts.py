# Makes templates/*.json and template_expressions.json: what Python's jinja2 (3.1.6) renders, set up
# as Hugging Face's apply_chat_template does. Run: python3 tests/golden/chat_template_facts.py
# The templates named smollm2-135m and qwen2.5-coder-0.5b are those of the models (Apache-2.0, by
# Hugging Face and Alibaba Cloud); the others are written after the public formats.
import datetime, json, os
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.ext import Extension
OUT=os.path.dirname(os.path.abspath(__file__))+'/templates/'
def stored(name): return json.load(open(OUT+name+'.json'))['template']
class Gen(Extension):
    tags={'generation'}
    def parse(self,parser):
        lineno=next(parser.stream).lineno
        body=parser.parse_statements(['name:endgeneration'],drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method('_g',[]),[],[],body).set_lineno(lineno)
    def _g(self,caller): return caller()
NOW=1767323045  # 2026-01-02 03:04:05 UTC
def tojson(x,ensure_ascii=False,indent=None,separators=None,sort_keys=False):
    return json.dumps(x,ensure_ascii=ensure_ascii,indent=indent,separators=separators,sort_keys=sort_keys)
def rexc(m): raise jinja2.exceptions.TemplateError(m)
env=ImmutableSandboxedEnvironment(trim_blocks=True,lstrip_blocks=True,extensions=[Gen,'jinja2.ext.loopcontrols'])
env.filters['tojson']=tojson
env.globals['raise_exception']=rexc
env.globals['strftime_now']=lambda f: datetime.datetime.fromtimestamp(NOW,datetime.timezone.utc).strftime(f)
def render(t,v):
    v=dict(v); v.setdefault('tools',None); v.setdefault('documents',None)
    return env.from_string(t).render(**v)

S={'role':'system','content':'You are terse. '}
def U(c): return {'role':'user','content':c}
def A(c): return {'role':'assistant','content':c}
TOOL={"type":"function","function":{"name":"get_weather","description":"Weather of a city — now","parameters":{"type":"object","properties":{"city":{"type":"string","description":"City \"name\" <b>"},"days":{"type":"integer"},"unit":{"type":"string","enum":["C","F"]}},"required":["city"]}}}
TOOL2={"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object","properties":{}}}}
CALL={'role':'assistant','content':'','tool_calls':[{'type':'function','id':'abcdefghi','function':{'name':'get_weather','arguments':{'city':'Zürich','days':2,'f':1.5,'n':None,'b':True}}}]}
RES={'role':'tool','name':'get_weather','tool_call_id':'abcdefghi','content':'{"temp": 21}'}
CONVS={
 'one':{'messages':[U('Hello')]},
 'system':{'messages':[S,U('Hi there\n')]},
 'multi':{'messages':[S,U(' What is 1+1? '),A('It is 2.'),U('And 2+2?')]},
 'multi_nosys':{'messages':[U('a'),A('<think>hm</think>\n\nb'),U('c'),A('d')]},
 'unicode':{'messages':[U('Grüße, 世界 🌍 <|im_end|> </s>\u00a0'),A('Ответ'),U('né\t')]},
 'no_prompt':{'messages':[U('q'),A('r')],'add_generation_prompt':False},
 'tools':{'messages':[S,U('Weather in Zürich?')],'tools':[TOOL,TOOL2]},
 'tool_turns':{'messages':[U('Weather?'),CALL,RES,A('21 degrees'),U('Thanks')],'tools':[TOOL]},
 'two_results':{'messages':[S,U('Weather?'),CALL,RES,RES],'tools':[TOOL,TOOL2]},
 'empty_text':{'messages':[S,U('')]},
}
T={}
T['chatml']="""{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
T['smollm2-135m']=stored('smollm2-135m')
T['qwen2.5-coder-0.5b']=stored('qwen2.5-coder-0.5b')
T['gemma']="""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] | trim + '\n\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for m in turns -%}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must alternate user/assistant") }}
    {%- endif -%}
    {%- set role = 'model' if m['role'] == 'assistant' else m['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}
    {%- if m['content'] is string -%}
        {{ m['content'] | trim }}
    {%- elif m['content'] is iterable -%}
        {%- for part in m['content'] -%}
            {%- if part['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif part['type'] == 'text' -%}{{ part['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}
"""
T['llama-2']="""{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}
{% for message in loop_messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}
{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}
{% endfor %}"""
T['llama-3']="""{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""
T['llama-3.1']="""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system text is lifted out, so that it can be placed -#}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("No first user message for the tools") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- 'Answer with a JSON function call. ' }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one tool call at once") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
T['mistral-v1']="""{{ bos_token }}{% set ns = namespace(sys='') %}{% for message in messages %}{% if message.role == 'system' %}{% set ns.sys = message.content ~ '\n\n' %}{% elif message.role == 'user' %}{{ ' [INST] ' + ns.sys + message.content + ' [/INST]' }}{% set ns.sys = '' %}{% elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}"""
T['mistral-v3']="""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs have nine characters") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}
"""
T['mistral-v7']="""{%- set today = strftime_now("%Y-%m-%d") %}
{%- set default_system_message = "The current date is " + today + ".\\n" %}
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = default_system_message %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- for message in loop_messages %}
    {%- if message['role'] == 'user' %}
        {%- if message['content'] is string %}
            {{- '[INST]' + message['content'] + '[/INST]' }}
        {%- else %}
            {{- '[INST]' }}{%- for block in message['content'] %}{{- block['text'] }}{%- endfor %}{{- '[/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- message['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('Only user, system and assistant roles are supported: ' ~ message['role']) }}
    {%- endif %}
{%- endfor %}
"""
T['phi-3']="""{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""
T['phi-4']="""{% for message in messages %}{% if (message['role'] in ['system', 'user']) %}{{'<|im_start|>' ~ message['role'] ~ '<|im_sep|>' ~ message['content'] ~ '<|im_end|>'}}{% elif (message['role'] == 'assistant') %}{{'<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"""
T['zephyr']="""{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""
T['command-r']="""{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'You are a model.' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}{% endif %}
{%- macro json_to_python_type(spec) %}
{%- set types = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
{%- if types[spec.type] is defined %}
{{- types[spec.type] }}
{%- elif spec.type == "array" %}
{{- "List[" + json_to_python_type(spec.items) + "]"}}
{%- elif spec.type == "object" %}
{{- "Dict" }}
{%- else %}
{{- "Any" }}
{%- endif %}
{%- endmacro %}
{%- if tools %}
{%- for tool in tools %}
{%- set f = tool.function %}
{{ '\ndef ' + f.name + '(' }}
{%- for name, spec in f.parameters.properties|items %}
{%- if not loop.first %}, {% endif %}{{ name }}: {% if name not in f.parameters.required %}Optional[{{ json_to_python_type(spec) }}] = None{% else %}{{ json_to_python_type(spec) }}{% endif %}
{%- endfor %}) -> List[Dict]:
    \"\"\"{{ f.description }}\"\"\"
{%- endfor %}
{%- endif %}
{% for message in loop_messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant' %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'  + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}"""
T['deepseek-r1']="""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and 'tool_calls' in message %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments']|tojson + '\\n' + '```' + '<｜tool▁call▁end｜>'}}{%- set ns.is_first = true -%}{%- else %}{{'\\n' + '<｜tool▁call▁begin｜>' + tool['function']['name'] }}{%- endif %}{%- endfor %}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}{%- elif message['role'] == 'assistant' %}{%- if ns.is_tool %}{{'<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- set ns.is_output_first = false %}{%- else %}{{'<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<｜tool▁outputs▁end｜>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"""
T['deepseek-coder']="""{%- set found = namespace(v=false) -%}
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}{%- set found.v = true -%}{%- endif -%}
{%- endfor -%}
{{ bos_token }}{% if not found.v %}
{{- 'You are an AI programming assistant.\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
{{ message['content'] }}
    {%- elif message['role'] == 'user' %}
{{ '### Instruction:\\n' + message['content'] + '\\n' }}
    {%- else %}
{{ '### Response:\\n' + message['content'] + '\\n<|EOT|>\\n' }}
    {%- endif %}
{%- endfor %}
{% if add_generation_prompt %}
{{ '### Response:' }}
{% endif %}
"""
T['granite']="""{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Knowledge Cutoff Date: April 2024.\\nToday's Date: " + strftime_now('%B %d, %Y') + "." %}
    {%- if tools and documents %}{%- set system_message = system_message + " tools and documents" %}{%- elif tools %}{%- set system_message = system_message + "\\nUse tools." %}{%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\\n' }}
{%- if tools %}
    {{- '<|start_of_role|>tools<|end_of_role|>' }}
    {{- tools | tojson(indent=4) }}
    {{- '<|end_of_text|>\\n' }}
{%- endif %}
{%- if documents %}
    {{- '<|start_of_role|>documents<|end_of_role|>' }}
    {%- for document in documents %}
        {{- 'Document ' + loop.index0 | string + '\\n' }}
        {{- document['text'] }}
        {%- if not loop.last %}
            {{- '\\n\\n'}}
        {%- endif%}
    {%- endfor %}
    {{- '<|end_of_text|>\\n' }}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}{{- ' ' + controls | tojson() }}{%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}"""
T['vicuna']="""{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set system = "A chat between a curious user and an assistant." %}{% set rest = messages %}{% endif %}{{ system|trim ~ ' ' }}{% for m in rest %}{% if m.role == 'user' %}USER: {{ m.content|trim }} {% elif m.role == 'assistant' %}ASSISTANT: {{ m.content|trim }}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"""
T['alpaca']="""{% if messages[0]['role'] == 'system' %}
{{ messages[0]['content'] }}

{% set messages = messages[1:] %}
{% else %}
Below is an instruction that describes a task.

{% endif %}
{% for message in messages %}
  {% if message['role'] == 'user' %}
### Instruction:
{{ message['content'] }}

  {% elif message['role'] == 'assistant' %}
### Response:
{{ message['content'] }}{{ eos_token }}

  {% endif %}
{% endfor %}
{% if add_generation_prompt %}
### Response:
{% endif %}
"""
T['openchat']="""{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + '<|end_of_turn|>'}}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}"""
T['chatglm']="""[gMASK]<sop>
{%- for item in messages %}
{%- if item['tools'] is defined %}
{%- set t = item['tools'] %}
# tools
{%- endif %}
{%- if item['content'] %}<|{{ item['role'] }}|>{{ item['metadata'] }}
{{ item['content'] }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""
T['yi']="""{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% endif %}{% if system_message is defined %}{{ '<|im_start|>system\n' + system_message + '<|im_end|>\n' }}{% endif %}{% for message in messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|im_start|>user\n' + content + '<|im_end|>\n<|im_start|>assistant\n' }}{% elif message['role'] == 'assistant' %}{{ content + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"""
T['hermes-tools']="""{%- macro json_to_python_type(json_spec) %}
{%- set basic_type_map = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
{%- if basic_type_map[json_spec.type] is defined %}
    {{- basic_type_map[json_spec.type] }}
{%- elif json_spec.type == "array" %}
    {{- "list[" +  json_to_python_type(json_spec|items) + "]"}}
{%- elif json_spec.type is iterable and json_spec.type is not string %}
    {{- "Union[" }}
    {%- for t in json_spec.type %}
      {{- json_to_python_type({"type": t}) }}
      {%- if not loop.last %}{{- "," }}{%- endif %}
    {%- endfor %}
    {{- "]" }}
{%- else %}
    {{- "Any" }}
{%- endif %}
{%- endmacro %}
{{- bos_token }}
{{- "<|im_start|>system\\nYou are a function calling AI model. <tools> " }}
{%- if tools is iterable and tools | length > 0 %}
  {%- for tool in tools %}
    {%- if tool.function is defined %}
      {%- set tool = tool.function %}
    {%- endif %}
    {{- '{"type": "function", "function": ' }}
    {{- '{"name": "' + tool.name + '", ' }}
    {{- '"description": "' + tool.name + '(' }}
    {%- for param_name, param_fields in tool.parameters.properties|items %}
      {{- param_name + ": " + json_to_python_type(param_fields) }}
      {%- if not loop.last %}
        {{- ", " }}
      {%- endif %}
    {%- endfor %}
    {{- ")" }}
    {{- " - " + tool.description + "\\n\\n" }}
    {%- for param_name, param_fields in tool.parameters.properties|items %}
      {%- if loop.first %}
        {{- "    Args:\\n" }}
      {%- endif %}
      {{- "        " + param_name + "(" + json_to_python_type(param_fields) + "): " + (param_fields.description|default('', true))|trim }}
    {%- endfor %}
    {{- '", "parameters": ' }}
    {%- if tool.parameters.properties | length == 0 %}
      {{- "{}" }}
    {%- else %}
      {{- tool.parameters|tojson }}
    {%- endif %}
    {{- "}" }}
    {%- if not loop.last %}
      {{- "\\n" }}
    {%- endif %}
  {%- endfor %}
{%- endif %}
{{- " </tools><|im_end|>\\n" }}
{%- for message in messages %}
  {%- if message.role == "user" or message.role == "system" or (message.role == "assistant" and message.tool_calls is not defined) %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
  {%- elif message.role == "assistant" %}
    {{- '<|im_start|>' + message.role }}
    {%- for tool_call in message.tool_calls %}
      {{- '\\n<tool_call>\\n' }}
      {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
      {{- '{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments|tojson }}{{- '}' }}
      {{- '\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
  {%- elif message.role == "tool" %}
    {%- if loop.previtem and loop.previtem.role != "tool" %}
      {{- '<|im_start|>tool\\n' }}
    {%- endif %}
    {{- '<tool_response>\\n' }}
    {{- message.content }}
    {%- if not loop.last %}
      {{- '\\n</tool_response>\\n' }}
    {%- else %}
      {{- '\\n</tool_response>' }}
    {%- endif %}
    {%- if not loop.last and loop.nextitem.role != "tool" %}
      {{- '<|im_end|>' }}
    {%- elif loop.last %}
      {{- '<|im_end|>' }}
    {%- endif %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
T['smollm3']="""{# defaults #}
{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}
{%- set reasoning_mode = "/think" if enable_thinking else "/no_think" -%}
{%- if messages[0].role == "system" -%}
  {%- set system_message = messages[0].content -%}
  {%- if "/no_think" in system_message -%}
    {%- set reasoning_mode = "/no_think" -%}
  {%- endif -%}
  {%- set custom_instructions = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "<|im_start|>system\\n## Metadata\\n\\nToday Date: " ~ strftime_now("%d %B %Y") ~ "\\nReasoning Mode: " + reasoning_mode + "\\n\\n" -}}
{%- if custom_instructions -%}{{ custom_instructions + "\\n\\n" }}{%- endif -%}
{%- if xml_tools or tools -%}
  {%- set ns = namespace(xml_tool_string="<tools>\\n") -%}
  {%- for tool in tools -%}
    {%- set ns.xml_tool_string = ns.xml_tool_string ~ (tool | string) ~ "\\n" -%}
  {%- endfor -%}
  {{- ns.xml_tool_string + "</tools>" -}}
{%- endif -%}
{{- "<|im_end|>\\n" -}}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\\n"  + content + "<|im_end|>\\n" }}
    {%- elif message.role == "assistant" -%}
        {% generation %}
        {%- if reasoning_mode == "/think" -%}
            {{ "<|im_start|>assistant\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\\n" + "<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- endif -%}
        {% endgeneration %}
    {%- elif message.role == "tool" -%}
    {{ "<|im_start|>" + "user\\n"  + content + "<|im_end|>\\n" }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ "<|im_start|>assistant\\n" if reasoning_mode == "/think" else "<|im_start|>assistant\\n<think>\\n\\n</think>\\n" }}
{%- endif -%}
"""
T['qwen3']="""{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
            {{- '<tool_call>\\n{"name": "' ~ tool_call.function.name ~ '", "arguments": ' }}
            {%- if tool_call.function.arguments is string %}{{- tool_call.function.arguments }}{%- else %}{{- tool_call.function.arguments | tojson }}{%- endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' ~ content ~ '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""
T['gpt-oss-like']="""{%- macro render_type(spec, required=[], is_nullable=false) -%}
    {%- if spec.type == "array" -%}
        {{- render_type(spec['items'], required) + "[]" }}
    {%- elif spec.type == "string" -%}
        {%- if spec.enum -%}{{ '"' + spec.enum|join('" | "') + '"' }}{%- else -%}string{%- endif -%}
    {%- elif spec.type in ["number", "integer"] -%}number
    {%- elif spec.type == "object" -%}
{
        {%- for k, v in spec.properties.items() -%}
            {{ "\\n  " ~ k ~ ("?" if k not in (spec.required or []) else "") ~ ": " ~ render_type(v) }}
        {%- endfor -%}
{{ "\\n}" }}
    {%- else -%}any{%- endif -%}
{%- endmacro -%}
{{- "<|start|>system<|message|>Current date: " + strftime_now("%Y-%m-%d") + "<|end|>" -}}
{%- if tools -%}
{{ "<|start|>developer<|message|># Tools\\n\\nnamespace functions {\\n" }}
{%- for t in tools -%}
{{ "// " + t.function.description + "\\ntype " + t.function.name + " = (_: " + render_type(t.function.parameters) + ") => any;\\n" }}
{%- endfor -%}
{{ "}<|end|>" }}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{- "<|start|>assistant<|channel|>final<|message|>" + message.content|default('') + "<|end|>" }}
{%- else -%}
{{- "<|start|>" + message.role + "<|message|>" + message.content + "<|end|>" }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"""
TOK={'gemma':('<bos>','<eos>'),'deepseek-r1':('<｜begin▁of▁sentence｜>','<｜end▁of▁sentence｜>'),'command-r':('<BOS_TOKEN>','<|END_OF_TURN_TOKEN|>')}
def main():
    n=0
    for name,t in T.items():
        bos,eos=TOK.get(name,('<s>','</s>'))
        cases=[]
        for cname,c in CONVS.items():
            v=dict(c); v.setdefault('add_generation_prompt',True)
            full=dict(v,bos_token=bos,eos_token=eos)
            case={'name':cname,'variables':c}
            try: case['expected']=render(t,full)
            except Exception as e:
                case['error']=str(e)
                print(name,cname,type(e).__name__,str(e)[:80])
            cases.append(case); n+=1
        json.dump({'name':name,'bos_token':bos,'eos_token':eos,'unix_time_s':NOW,'template':t,'cases':cases},open(OUT+name+'.json','w'),ensure_ascii=False,indent=1)
        open(OUT+name+'.json','a').write('\n')
    print(len(T),'templates',n,'cases')

# Small expressions and statements.
V={'s':'Hello, World','u':'Größe 世界','e':'','n':None,'i':7,'z':0,'f':2.5,'t':True,'l':[3,1,2],'w':['b','A','c','a'],'d':{'b':1,'a':'x','C':[1,2]},
 'm':[{'role':'user','content':'hi','n':2},{'role':'assistant','content':'yo','n':1},{'role':'user','content':'bye','x':{'y':5}}],'sp':'  \t pad \n','nest':{'a':{'b':{'c':'deep'}}},'items_dict':{'items':5,'get':6},'q':'it\'s "q"\n\\ \u00a0'}
E=r'''
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 / 2
2 ** 10
2 ** -1
-2 ** 2
1.5 + 2
10 / 4 * 2
1e3
1e16
1.0
0.1 + 0.2
1e-5
123456789012345678.0
3.0 * 2
7.5 // 2
-7.5 % 2
5 - -3
+i
-i
-f
true + 1
"a" * 3
[1, 2] * 2
[1] + [2, 3]
(1, 2) + (3,)
"a" ~ 1 ~ none ~ true ~ 1.0
s + '!'
s ~ i
"x" "y" 'z'
1 == 1.0
1 == true
"1" == 1
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
none == false
undef == undef2
undef == none
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
"a" < "b"
[1, 2] < [1, 3]
not true
not undef
not not s
1 and 0 or 5
0 or '' or 'end'
s and i
e and i
"World" in s
"world" not in s
1 in l
9 not in l
'a' in d
'q' in d
'' in s
's' in undef
2 in (1, 2)
'yes' if i > 3 else 'no'
'yes' if i > 30
'a' if z else 'b' if e else 'c'
s[0]
s[-1]
s[100]
u[4]
u[-1]
u[2:6]
u[::-1]
s[1:5]
s[:-1]
s[5:1]
s[::2]
s[-3:]
s[100:]
l[0]
l[-1]
l[5]
l[1:]
l[::-1]
l[:1]
l[-2:]
l[-1:0:-1]
(1, 2, 3)[1:]
d.a
d['a']
d.missing
d['missing']
d.C[1]
nest.a.b.c
nest['a']['b'].c
nest.a.x is defined
m[0].role
m[0]['role']
m[-1].x.y
m.0.role
m[1].missing is defined
items_dict['items']
items_dict['get']
items_dict.items() | list
l
w
d
n
t
q
[q]
[1, 'a', none, true, 1.5, [], {}]
(1,)
()
1, 2
{'k': 'v', 1: 2}
{'a': [1, {'b': none}]}
s | upper
s | lower
u | upper
u | lower
sp | trim
'xxaxx' | trim('x')
s | length
u | length
l | length
d | length
undef | length
s | count
undef | default('D')
n | default('D')
n | default('D', true)
e | d('E', boolean=true)
undef | default
z | default(5, true)
l | join(', ')
l | join
w | join('-')
m | join('|', attribute='role')
u | join('.')
d | join(',')
undef | join(',')
l | first
l | last
[] | first is defined
s | first
s | last
l | sort
l | sort(reverse=true)
w | sort
w | sort(case_sensitive=true)
w | sort(false, true)
m | sort(attribute='content') | map(attribute='content') | join(' ')
l | reverse | list
s | reverse
w | unique | list
[1, 1.0, 2, true] | unique | list
w | map('upper') | join
w | map('upper') | list
l | map('string') | join('+')
m | map(attribute='role') | list
m | map(attribute='n', default=0) | list
m | map(attribute='x.y') | join(',')
m | selectattr('role', 'equalto', 'user') | map(attribute='content') | list
m | selectattr('role', '==', 'user') | list | length
m | rejectattr('role', 'equalto', 'user') | map(attribute='content') | first
m | selectattr('n') | list | length
m | selectattr('n', 'defined') | list | length
m | selectattr('n', 'gt', 1) | list | length
m | selectattr('role', 'in', ['assistant', 'tool']) | list | length
m | rejectattr('x') | list | length
l | select('odd') | list
l | reject('odd') | list
l | select('>', 1) | list
[0, 1, '', 'a'] | select | list
[0, 1, '', 'a'] | reject | list
d | dictsort
d | dictsort(reverse=true)
d | dictsort(true)
{'x': 2, 'y': 1} | dictsort(by='value')
d | items | list
d.items() | list
d.keys() | list
d.values() | list
d.get('a')
d.get('zz')
d.get('zz', 3)
undef | items | list
s | replace('l', 'L')
s | replace('l', 'L', 1)
s.replace('o', '0')
s.replace('o', '0', 1)
'abc'.replace('', '-')
'abc' | replace('', '-', 2)
s | capitalize
'hello wORLD foo-bar (baz)' | capitalize
'hello wORLD foo-bar (baz)' | title
"hello wORLD's foo-bar (baz)".title()
'hello wORLD'.capitalize()
s.upper()
s.lower()
s.split()
s.split(', ')
s.split('o')
s.split('o', 1)
s.split('zzz')
'a,b,c'.split(',')[-1]
'a,b,c'.rsplit(',', 1)
' a  b '.split()
' a  b '.split(' ')
' a  b c '.split(none, 1)
sp.strip()
sp.lstrip()
sp.rstrip()
'xyhixy'.strip('xy')
'xyhixy'.lstrip('xy')
'xyhixy'.rstrip('yx')
s.startswith('Hello')
s.startswith(('X', 'H'))
s.endswith('World')
s.endswith('x')
s.find('o')
s.find('zz')
u.find('世')
s.rfind('o')
s.count('l')
s.index('W')
'-'.join(['a', 'b'])
'a\nb\r\nc'.splitlines()
'pre-x'.removeprefix('pre-')
'x.suf'.removesuffix('.suf')
'12'.isdigit()
'1a'.isdigit()
' '.isspace()
'42' | int
'4.7' | int
'x' | int
'x' | int(3)
' 5 ' | int
'ff' | int(0, 16)
4.9 | int
-4.9 | int
none | int
true | int
'2.5' | float
'x' | float
'x' | float(1.5)
3 | float
1 | string
none | string
l | string
d | string
'abc' | list
d | list
-3 | abs
-3.5 | abs
2.567 | round(2)
2.5 | round
3.5 | round
2.1 | round(0, 'ceil')
2.9 | round(method='floor')
l | sum
m | map(attribute='n', default=0) | sum
l | max
l | min
w | min
d | tojson
m | tojson
u | tojson
q | tojson
d | tojson(indent=2)
m | tojson(indent=4)
[] | tojson(indent=2)
{'a': [], 'b': {}} | tojson(indent=2)
[1, 1.0, 1e20, none, true, "x"] | tojson
u | tojson(ensure_ascii=true)
'🌍' | tojson(true)
d | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
{1: 2, true: 3, none: 4} | tojson
'<b>&\'' | tojson
"a\u0001\b" | tojson
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, true, true)
'a\nb' | indent('> ')
s | safe
x is defined
s is defined
undef is undefined
n is none
n is not none
s is string
i is string
d is mapping
l is mapping
l is iterable
s is iterable
i is iterable
undef is iterable
l is sequence
s is sequence
d is sequence
i is sequence
i is number
f is number
t is number
i is integer
t is integer
f is float
t is boolean
i is boolean
t is true
t is false
i is true
i is odd
i is even
i is divisibleby 7
i is divisibleby(2)
i is eq 7
i is equalto(7)
i == 7 is true
i is == 7
i is ne 8
i is gt 3
i is lt(3)
i is ge 7
i is le 6
i is in [7, 8]
i is in(l)
i is not in l
'abc' is lower
'ABC' is upper
'aBC' is upper
none is sameas none
i is sameas 7
s is defined and s is string
not s is string
s is string and not i is string
1 + i is odd
-i | abs
i | string ~ 'x'
s | length > 3
'a' if s is defined else 'b'
range(5) | list
range(2, 5) | list
range(5, 0, -2) | list
range(0) | list
dict(a=1, b='x')
dict({'z': 0}, a=1)
namespace(a=1).a
strftime_now('%Y-%m-%d %H:%M:%S %b %B %a %A %j %y %I %p %d %e %%')
'\x41\u00e9\t|\\|\'|"|\101|\q'
"line\
cont"
'a' 'b' | upper
{'a': 1}.a
[1, [2, 3]][1][0]
{'a b': 1}['a b']
(s if t else u) | upper
[x for_ is defined]
"%s" in "%s"
("a", "b") | join
[[1, 2], [3, 4]] | map('first') | list
[[1, 2], [3, 4]] | map(attribute=1) | list
w | map('replace', 'a', 'z') | list
w | select('in', ['a', 'b']) | list
m | map(attribute='content') | map('length') | list
'abc' is in 'xabcx'
1_000
not 1 == 2
1 if false
[1, 2,]
{'a': 1,}
0.5 | round(1)
1 > 0 == true
i in l or i == 7
s.upper().lower().title()
(l | length) * 2
l | length * 2
7 | string | length
loop is defined
true is true
True and None is none
'ǅ' | length
'ß' | lower
'ÀÉ' | lower
'привет' | upper
'ΑΒΓ' | lower
'  x' | indent(1) ~ '|'
'%d' ~ 5
"{{" ~ "}}"
'a' < 'B'
[3, 1] + l | sort
'' | first is undefined
"" is defined
{'x': {'y': [1, 2]}} | string
'é' * 2
[none, false] | string
"tab\there"
'new\nline' | upper
'a' in ['a', 'b'] and 'c' not in ['a', 'b']
'''.strip('\n').split('\n')
# join the line continuation
out=[];k=0
while k<len(E):
    if E[k].endswith('\\') : out.append(E[k]+'\n'+E[k+1]); k+=2
    else: out.append(E[k]); k+=1
cases=['{{ '+e+' }}' for e in out if 'for_' not in e]
cases+=[
 "{% for x in l %}{{ loop.index }}{{ x }}{{ loop.last }},{% endfor %}",
 "{% for x in l %}{{ loop.index0 }}/{{ loop.length }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.depth }}{% if not loop.last %};{% endif %}{% endfor %}",
 "{% for x in [] %}x{% else %}empty{% endfor %}",
 "{% for x in l if x > 9 %}x{% else %}none{% endfor %}",
 "{% for x in l if x != 1 %}{{ x }}:{{ loop.index }}/{{ loop.length }} {% endfor %}",
 "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
 "{% for k in d %}{{ k }}{% endfor %}",
 "{% for c in u %}{{ c }}.{% endfor %}",
 "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
 "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}",
 "{% for x in undef %}x{% else %}u{% endfor %}",
 "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
 "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
 "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
 "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
 "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
 "{% for x in 1, 2 %}{{ x }}{% endfor %}",
 "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}",
 "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}",
 "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}",
 "{% if t %}{% set q2 = 1 %}{% endif %}{{ q2 }}",
 "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
 "{% set a = 1, 2 %}{{ a }}",
 "{% set x %}block {{ i }}{% endset %}[{{ x }}]",
 "{% set x | upper | trim %} block {{ s }} {% endset %}[{{ x }}]",
 "{% if z %}a{% elif e %}b{% elif i %}c{% else %}d{% endif %}",
 "{% if z %}a{% endif %}-",
 "{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, 3) }}|{{ f(1, c='y') }}|{{ f(b=5, a=4) }}",
 "{% macro f(a) %}[{{ a }}{{ caller() }}]{% endmacro %}{% call f(1) %}body {{ i }}{% endcall %}",
 "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a + b }}{% endcall %}",
 "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
 "{% macro f() %}{{ g }}{% endmacro %}{% set g = 5 %}{{ f() }}{% set g = 6 %}{{ f() }}",
 "{% macro f(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ f(1) }}{{ y is defined }}",
 "{% macro f(x) %}{{ x is defined }}{% endmacro %}{{ f() }}{{ f(none) }}",
 "{% macro f() %} a {% endmacro %}{{ f() | trim | length }}{{ f()|upper }}",
 "{% filter upper %}abc {{ s }}{% endfilter %}",
 "{% filter replace('l', 'L') | trim %} abc {{ s }} {% endfilter %}|",
 "a {# comment #} b",
 "a {#- comment -#} b",
 "a\n{# comment #}\nb",
 "  {% if t %}\n  x\n  {% endif %}\n  y",
 "  {%- if t -%}\n  x\n  {%- endif -%}\n  y",
 "  {%+ if t %}\n  x\n  {%+ endif +%}\n  y",
 "x  {% if t %}y{% endif %}  z",
 "{% if t %}\n\n  y{% endif %}\n\nz\n",
 "{{ i }}\n{{ i }}\n",
 "{{ i -}}  \n {{- i }}",
 "  {{ i }}  ",
 "a\r\nb\rc\n\n",
 "{{ '\\n' }}{%- if t %} x {%- endif %} ",
 "{% raw %}{{ x }}{% y %}{% endraw %}",
 "a {%- raw -%} {{ x }} {%- endraw -%} b",
 "{% raw %}\n  {{ x }}\n{% endraw %}\nb",
 "{{ {'a': {'b': 1}}['a']['b'] }}",
 "{{{'a': 1}.a}}",
 "{{ '}}' }}{{ '%}' }}",
 "{%if t%}x{%endif%}",
 "{% set loop_messages = m[1:] %}{{ loop_messages | length }}",
 "{% set m = m[1:] %}{{ m | length }}",
 "{% for x in m %}{{ x.role ~ (', ' if not loop.last else '') }}{% endfor %}",
 "{% for x in l | sort %}{{ x }}{% endfor %}",
 "{% for x in l[::-1] %}{{ x }}{% endfor %}",
 "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}",
 "{% for x in l %}{{ x if x > 1 }},{% endfor %}",
 "{% generation %}a {{ i }}{% endgeneration %}",
 "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend",
 "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend",
 "{# a #}\n  {# b #}\nx",
 "{{ undef }}|{{ d.zz }}|{{ l[9] }}",
 "{% set ns = namespace(a=1, b='x') %}{% set ns.c = 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.d is defined }}",
 "{% set ns = namespace(l=[]) %}{% for x in l %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l }}",
 "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
 "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
 "{% set f = s.upper %}{{ f() }}",
 "{% set x = 'a' if i == 7 else 'b' %}{{ x }}",
 "{{ (m | selectattr('role', 'equalto', 'user') | list)[-1].content }}",
 "{{ m | map(attribute='role') | unique | join(',') }}",
 "{% if 'x' in m[2] and m[2].x is mapping %}ok{% endif %}",
 "{% if m[0].tool_calls %}a{% else %}b{% endif %}",
 "{% if not m[0].tool_calls is defined %}b{% endif %}",
 "é{% if t %}ü{% endif %}世",
 "{{ '' }}{{ none }}{{ true }}{{ 1.50 }}",
 "\n\n{{ i }}\n\n",
 " \n{% set x = 1 %}\n {{ x }}",
 "{%- set x = 1 -%}\n\n  a",
 "a{{ ' ' }}-{{- ' ' -}}- b",
 "{% set x = {'a': [1, 2, {'b': 'c'}]} %}{{ x.a[2].b }}{{ x | tojson }}",
]
res=[];bad=[]
for t in cases:
    try: res.append({'template':t,'expected':env.from_string(t).render(**V)})
    except Exception as ex: bad.append((t,type(ex).__name__,str(ex)))
res=[r for r in res if 'generator object' not in r['expected'] and ' at 0x' not in r['expected']]
json.dump({'unix_time_s':1767323045,'variables':V,'cases':res},open(OUT+'../template_expressions.json','w'),ensure_ascii=False,indent=1)
open(OUT+'../template_expressions.json','a').write('\n')
print(len(res)); [print(b) for b in bad]
main()
