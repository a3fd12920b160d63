{# Every rate and share of the model is in 0..1, and inside its own interval where it has one. Which columns
   those are is read from the model's contract, so a new rate cannot be forgotten here. #}
{% test shares_and_intervals(model) %}
{% set columns = {} %}
{% if execute %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.name == model.identifier %}
        {% do columns.update(node.columns) %}
    {% endfor %}
{% endif %}
{% set eps = '1e-12' %}
select *
from {{ model }}
where false
{% for column in columns.values()
    if column.data_type == 'double precision' and not (column.name.startswith('ttfa_p')) %}
    or not {{ column.name }} between 0 and 1
    {% if column.name ~ '_low' in columns %}
    or {{ column.name }} < {{ column.name }}_low - {{ eps }}
    or {{ column.name }} > {{ column.name }}_high + {{ eps }}
    {% endif %}
{% endfor %}
{% endtest %}
